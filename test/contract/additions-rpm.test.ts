import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { additions } from "../../src/firstboot/additions.ts";
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

  it("are ours by name, and take the place of Oracle's", () => {
    expect(readdirSync(join(folder, "el9"))).toHaveLength(10);
    const said = run(["rpm", "-qpi", "--provides", "--conflicts", rpm(9, "ovmd")]);
    expect(said).toMatch(/^Architecture: noarch$/m);
    expect(said).toContain("It is not the package ovmd that Oracle ships.");
    expect(said).toMatch(/^ovmd = 1\.0\.0$/m);
    expect(said).toMatch(/^libovmapi$/m);
  });

  it("ask of EL5's rpm nothing that it does not know", () => {
    const wanted = run(["rpm", "-qp", "--requires", rpm(5, "ovmd")]);
    expect(wanted).toContain("python-simplejson\n");
    expect(wanted.match(/rpmlib\((\w+)\)/g)?.sort()).toEqual([
      "rpmlib(CompressedFileNames)",
      "rpmlib(PayloadFilesHavePrefix)",
    ]);
  });

  it("hold programs that run, with the guest's Python and init system", () => {
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
