import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { additions } from "../../src/firstboot/additions.ts";
import { cloneDetection } from "../../src/firstboot/clone-detection.ts";
import { memoryTree } from "../fakes/memory-tree.ts";
import { describeWith } from "../fakes/missing.ts";

const run = (argv: readonly [string, ...string[]], cwd?: string) => {
  const [program, ...args] = argv;
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: "utf8", ...(cwd && { cwd }) });
  expect(status, `${argv.join(" ")}\n${stderr}`).toBe(0);
  return stdout;
};

describeWith(["rpmbuild", "rpm", "rpm2cpio", "cpio", "python3"], "the RPMs of the additions", () => {
  let folder: string;
  const rpm = (major: number, name: string) =>
    join(folder, `el${major}`, `tbuild-${name}-1.0.0-1.el${major}.noarch.rpm`);
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "tbuild-additions-rpm-"));
    run(["python3", join(additions, "rpms.py"), folder, "5", "9"]);
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  it("have our names, and replace Oracle's", () => {
    expect(readdirSync(join(folder, "el9"))).toHaveLength(11);
    const said = run(["rpm", "-qpi", "--provides", "--conflicts", rpm(9, "ovmd")]);
    expect(said).toMatch(/^Architecture: noarch$/m);
    expect(said).toContain("It is not the package ovmd that Oracle ships.");
    expect(said).toMatch(/^ovmd = 1\.0\.0$/m);
    expect(said).toMatch(/^libovmapi$/m);
  });

  it("require nothing that EL5's rpm does not know", () => {
    const wanted = run(["rpm", "-qp", "--requires", rpm(5, "ovmd")]);
    expect(wanted).toContain("python-simplejson\n");
    expect(wanted.match(/rpmlib\((\w+)\)/g)?.sort()).toEqual([
      "rpmlib(CompressedFileNames)",
      "rpmlib(PayloadFilesHavePrefix)",
    ]);
  });

  it("of clone detection has the files that a seal installs, and turns its services on and off", async () => {
    for (const [major, release] of [
      [5, "Oracle Linux Server release 5.11"],
      [9, "Oracle Linux Server release 9.4"],
    ] as const) {
      const root = join(folder, `clone${major}`);
      mkdirSync(root);
      run(["sh", "-c", `rpm2cpio "$0" | cpio -idm --quiet`, rpm(major, "clone")], root);
      const python = major === 5 ? "/usr/bin/python" : "/usr/libexec/platform-python";
      const tree = memoryTree({
        "/etc/oracle-release": `${release}\n`,
        [python]: "",
        "/usr/lib/python2.4/site-packages/simplejson/__init__.py": "",
      });
      await cloneDetection.apply(tree);
      const packed = run(["sh", "-c", "find . ! -type d | sed 's,^[.],,' | sort"], root).trim().split("\n");
      const brought: string[] = [];
      for (const path of packed) {
        // A link of ovm-chkconfig is named 50-network, and an injected one in a guest without such links 50network.
        const found = (await tree.stat(path)) ?? (await tree.stat(path.replace(/\/(\d\d)-/, "/$1")));
        if (found) brought.push(path);
        if (found?.kind === "file")
          expect(`${path}\n${readFileSync(join(root, path), "utf8").replace(/^#!.*/, "")}`).toBe(
            `${path}\n${(await tree.text(path))?.replace(/^#!.*/, "")}`,
          );
      }
      expect(brought).toEqual(packed);
      expect(packed.length).toBeGreaterThan(40);
      expect(readdirSync(join(root, "etc/tbuild/clone.d"))).toEqual([]);
      expect(run(["rpm", "-qp", "--conflicts", rpm(major, "clone")])).toBe("ovm-template-config\novmd\n");
      const scripts = run(["rpm", "-qp", "--scripts", rpm(major, "clone")]);
      expect(scripts).toContain("/sbin/chkconfig --add $one");
      expect(scripts).toContain("systemctl --no-reload disable tbuild-clone-detect tbuild-clone");
    }
  });

  it("contain programs that run with the guest's Python and init system", () => {
    const place = (major: number) => {
      const root = join(folder, `root${major}`);
      mkdirSync(root);
      for (const name of ["ovmd", "ovm-template-config", "ovm-template-config-network"])
        run(["sh", "-c", `rpm2cpio "$0" | cpio -idm --quiet`, rpm(major, name)], root);
      return root;
    };
    const [five, nine] = [place(5), place(9)];
    const first = (path: string) => run(["head", "-1", path]).trim();
    expect(first(join(five, "usr/sbin/ovmd"))).toBe("#!/usr/bin/python");
    expect(first(join(nine, "etc/template.d/scripts/network"))).toBe("#!/usr/bin/python3");
    expect(readdirSync(join(five, "etc/rc.d/init.d"))).toEqual(["ovmd"]);
    expect(readdirSync(join(nine, "usr/lib/systemd/system")).sort()).toEqual([
      "ovm-template-initial-config.service",
      "ovmd.service",
    ]);
    for (const script of ["etc/rc.d/init.d/ovmd"]) run(["sh", "-n", join(five, script)]);
    const library = join(nine, "usr/lib/python-templateconfig");
    const program =
      "import runpy, sys; sys.argv = sys.argv[1:]; sys.path.insert(0, sys.argv.pop()); runpy.run_path(sys.argv[0], run_name='__main__')";
    for (const name of ["ovmd", "ovm-template-config", "ovm-chkconfig"])
      expect(run(["python3", "-c", program, join(nine, "usr/sbin", name), "--version", library])).toBe(
        `${name} 1.0.0 (tbuild guest additions)\n`,
      );
  });
});
