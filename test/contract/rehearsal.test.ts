import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { failureOf } from "../../src/build/watch/watch.ts";
import { localHost } from "../../src/host/local.ts";
import type { Hypervisor } from "../../src/hypervisor/hypervisor.ts";
import { openHypervisor } from "../../src/hypervisor/open.ts";
import { installCommandLine } from "../../src/media/command-line.ts";
import { appendToInitrd } from "../../src/media/initrd.ts";
import type { Medium } from "../../src/media/media.ts";
import { extractBoot, readMedium } from "../../src/media/medium.ts";
import { oemdrv } from "../../src/media/oemdrv.ts";
import { testMedium } from "../test-medium.ts";

// A kickstart that the installer refuses on its third line. Its refusal proves within 15 s that the kickstart was
// delivered.
const refused = "install\ncdrom\nnetworking --bootproto=dhcp\n";

const host = localHost();
let folder: string;
let hypervisor: Hypervisor;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tbuild-rehearsal-"));
  hypervisor = await openHypervisor(
    host,
    { kind: "qemu", accelerator: "tcg" },
    { folder: join(folder, "machines"), memory: join(folder, "memory") },
  );
});
afterEach(() => hypervisor.destroy("medium-vm"));
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Starts the installer, and returns its output until it powers off. */
async function installer(
  medium: Medium,
  append: string,
  more: { files?: Record<string, string>; cdroms?: string[]; disk?: string } = {},
): Promise<string> {
  const [kernel, initrd, final] = ["vmlinuz", "initrd", "initrd.ks"].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  await extractBoot(medium, kernel, initrd);
  await appendToInitrd(
    initrd,
    Object.entries(more.files ?? {}).map(([path, text]) => ({ path, data: Buffer.from(text) })),
    final,
  );
  const disk = more.disk === undefined ? { blank: 2 ** 31 } : { copyOf: more.disk };
  await hypervisor.define({
    name: "medium-vm",
    domainType: "hvm",
    vcpus: 1,
    memoryMib: 1024,
    disks: [{ slot: 0, mode: "write", content: disk }],
    cdroms: [...(more.cdroms ?? []), medium.file],
    nics: [{ network: "build", mac: "00:21:f6:00:00:01" }],
    guest: { release: medium.major },
  });
  await hypervisor.start("medium-vm", { kernel, initrd: final, append });
  const lines: string[] = [];
  for await (const line of hypervisor.console("medium-vm")) lines.push(line);
  return lines.join("\n");
}

/** A volume with ks.cfg, made without mounting: an ISO for a CD, vfat for a disk. */
async function volume(label: string, kind: "iso" | "vfat"): Promise<string> {
  const tree = join(folder, `tree-${label}`);
  await mkdir(tree, { recursive: true });
  await writeFile(join(tree, "ks.cfg"), refused);
  const file = join(folder, `${label}.${kind}`);
  if (kind === "iso")
    await host.run(["xorriso", "-as", "mkisofs", "-quiet", "-R", "-V", label, "-o", file, tree]);
  else {
    await host.run(["truncate", "-s", "200M", file]);
    await host.run(["mformat", "-i", file, "-v", label, "::"]);
    await host.run(["mcopy", "-i", file, join(tree, "ks.cfg"), "::ks.cfg"]);
  }
  return file;
}

const serial = "console=tty0 console=ttyS0,115200";

describe.each([
  { major: 6 as const, volumeId: "OL6.10 x86_64 Disc 1 20180625", ks: "ks=", commandLine: "ks=file:/ks.cfg" },
  {
    major: 7 as const,
    volumeId: "OL-7.9 Server.x86_64",
    ks: "inst.ks=",
    commandLine: "inst.ks=file:/ks.cfg",
  },
])("the rehearsal medium of OL$major", ({ major, volumeId, ks, commandLine }) => {
  let medium: Medium;
  beforeAll(async () => {
    medium = await readMedium((await testMedium(major)).iso);
  });
  const expectRefusal = (said: string) => {
    expect(said).toContain("The following problem occurred on line 3 of the kickstart file");
    expect(said).toContain("Unknown command: networking");
  };

  it("looks like Oracle's from the outside", async () => {
    expect(medium).toMatchObject({
      major,
      update: major === 6 ? 10 : 9,
      volumeId,
      arch: "x86_64",
      kernel: "isolinux/vmlinuz",
      initrd: "isolinux/initrd.img",
    });
    expect(installCommandLine(medium)).toContain(commandLine);
  });

  it("is not made twice", async () => {
    const commands: string[] = [];
    await testMedium(
      major,
      localHost((argv) => commands.push(argv[0] ?? "")),
    );
    expect(commands).toEqual([]);
  });

  it("reads its kickstart from the initrd, and refuses an unknown command with its line", async () => {
    const said = await installer(medium, installCommandLine(medium), { files: { "ks.cfg": refused } });
    expectRefusal(said);
    expect(
      said
        .split("\n")
        .map(failureOf)
        .find((failure) => failure)?.message,
    ).toContain("the kickstart has an error on line 3");
  });

  it("reads its kickstart from a CD, and from a disk by its label", async () => {
    expectRefusal(
      await installer(medium, `${ks}cdrom:/ks.cfg ${serial}`, { cdroms: [await volume("KSCD", "iso")] }),
    );
    await hypervisor.destroy("medium-vm");
    expectRefusal(
      await installer(medium, `${ks}hd:LABEL=KSDISK:/ks.cfg ${serial}`, {
        disk: await volume("KSDISK", "vfat"),
      }),
    );
  });

  it(
    major === 6 ? "knows nothing of OEMDRV" : "takes its kickstart from a volume labelled OEMDRV",
    async () => {
      const disk = join(folder, "oemdrv.img");
      const scratch = join(folder, "oemdrv");
      if (major === 7) await oemdrv({ host, scratch }, medium, disk, { kickstart: refused, form: "disk" });
      const said = await installer(medium, serial, {
        disk: major === 7 ? disk : await volume("OEMDRV", "vfat"),
      });
      if (major === 7) expectRefusal(said);
      else expect(said).toContain("Can't get kickstart");
    },
  );
});
