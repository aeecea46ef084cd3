import { mkdtemp, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import type { Host } from "../../src/host/host.ts";
import { localHost } from "../../src/host/local.ts";
import { waitFor } from "../../src/host/wait-for.ts";
import {
  buildNetwork,
  type DirectBoot,
  type DiskContent,
  type Hypervisor,
  type VirtualDisk,
  type VmSpec,
} from "../../src/hypervisor/hypervisor.ts";

/** A hypervisor for its contract test. */
export interface HypervisorBench {
  readonly hypervisor: Hypervisor;
  /** The same one, as another process opens it. */
  reopened(): Promise<Hypervisor>;
  /** A guest that runs `script` under busybox's sh with its output on the serial console, and then powers off. */
  guest(script: string): Promise<DirectBoot>;
  /** The guest's name for the disk in a slot, which is the n-th used slot, from 0. */
  device(n: number, slot?: number): string;
  /** The kind of machine that `guest` starts as; `hvm` if left out. */
  readonly domainType?: VmSpec["domainType"];
  /** The host and folder of disks that are independent of a machine. Default: this machine and `folder`. */
  readonly files?: { readonly host: Host; readonly folder: string };
  /** The factor for all time limits. */
  readonly patience?: number;
  /** Ends the machine as a crash of the hypervisor would. */
  crash(vm: string): Promise<void>;
  /** Makes a disk that is independent of a machine, and returns its path. Default: a file in `files`. */
  apartDisk?(name: string, content: Uint8Array): Promise<string>;
  /**
   * The guest's commands that report `key` with `value` over the channel, wait for one message, and report its value as
   * `heard`.
   */
  readonly messageScript?: (key: string, value: string) => string;
}

const vm = "contract-vm";
const second = "contract-vm-2";
const mib = 1024 * 1024;

export function disks(...contents: readonly DiskContent[]): VirtualDisk[] {
  return contents.map((content, slot) => ({ slot, mode: "write", content }));
}

export function specOf(more: Partial<VmSpec> = {}): VmSpec {
  return {
    name: vm,
    domainType: "hvm",
    vcpus: 1,
    memoryMib: 256,
    disks: disks({ blank: 64 * mib }),
    cdroms: [],
    nics: [{ network: buildNetwork, mac: "00:21:f6:00:00:01" }],
    guest: { release: 6 },
    ...more,
  };
}

/** The contract of every hypervisor. `make` gets an empty folder, which is removed afterwards. */
export function hypervisorContract(name: string, make: (folder: string) => Promise<HypervisorBench>): void {
  describe(`${name} as a hypervisor`, () => {
    let folder: string;
    let bench: HypervisorBench;
    let hypervisor: Hypervisor;
    let files: { readonly host: Host; readonly folder: string };
    const within = (ms: number) => ({ timeoutMs: ms * (bench.patience ?? 1) });
    const contractSpec = (more: Partial<VmSpec> = {}) =>
      specOf({ ...(bench.domainType && { domainType: bench.domainType }), ...more });

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), "tbuild-hypervisor-"));
      bench = await make(folder);
      hypervisor = bench.hypervisor;
      files = bench.files ?? { host: localHost(), folder };
    });
    afterEach(async () => {
      for (const machine of [vm, second]) await hypervisor.destroy(machine);
    });
    afterAll(() => rm(folder, { recursive: true, force: true }));

    const apartDisk = async (name: string, content: Uint8Array) => {
      if (bench.apartDisk) return bench.apartDisk(name, content);
      const file = join(files.folder, name);
      await files.host.writeFile(file, content);
      return file;
    };
    const ran = async (machine: string, script: string) => {
      await hypervisor.start(machine, await bench.guest(script));
      expect(await hypervisor.waitStopped(machine, within(90_000))).toBe("guest-shutdown");
    };
    /** A guest's line that writes one block of a byte to a disk, and one that prints its first letter. */
    const puts = (letter: string, device: string) =>
      `echo ${letter} | /busybox dd of=${device} bs=512 conv=sync,fsync 2>/dev/null && echo wrote ${letter}`;
    const gets = (device: string) =>
      `echo "there is $(/busybox dd if=${device} bs=1 count=1 iflag=direct 2>/dev/null || /busybox dd if=${device} bs=1 count=1 2>/dev/null)"`;

    it("says what it is and can do", async () => {
      await hypervisor.check();
      expect(await hypervisor.describe()).toMatch(/\d/);
      expect(hypervisor.domainTypes.length).toBeGreaterThan(0);
      const { address, gateway, netmask, nameServer } = hypervisor.buildAddresses;
      const ip = /^\d+\.\d+\.\d+\.\d+$/;
      const all = [address(0), address(1), gateway, nameServer];
      for (const one of [...all, netmask]) expect(one).toMatch(ip);
      expect(new Set([address(0), address(1), gateway]).size).toBe(3);
    });

    it("goes from absent to stopped to running to stopped to absent, and allows each change twice", async () => {
      expect(await hypervisor.state(vm)).toBe("absent");
      await hypervisor.destroy(vm);
      await hypervisor.define(contractSpec());
      await expect(hypervisor.define(contractSpec())).rejects.toThrow(/a machine of this name exists/);
      expect(await hypervisor.state(vm)).toBe("stopped");
      expect(await hypervisor.list()).toContain(vm);
      await hypervisor.stop(vm);
      await hypervisor.start(
        vm,
        await bench.guest(
          `echo hello from the guest; /busybox sleep ${2 * (bench.patience ?? 1)}; ${puts("x", bench.device(0))}`,
        ),
      );
      expect(await hypervisor.state(vm)).toBe("running");
      // Another process finds it by its name.
      expect(await (await bench.reopened()).state(vm)).toBe("running");
      await waitFor(
        "the guest's line",
        async () => ((await hypervisor.consoleText(vm)).includes("hello from the guest") ? true : undefined),
        within(60_000),
      );
      const { picture } = hypervisor;
      if (picture) {
        // At one moment, as the phases of an installation ask for them.
        const pictures = await Promise.all([1, 2, 3, 4].map(() => picture(vm)));
        // A paravirtual guest has a console and no screen.
        if (bench.domainType === "pvm")
          expect(pictures).toEqual([undefined, undefined, undefined, undefined]);
        else
          for (const one of pictures)
            expect(
              Buffer.from(one ?? [])
                .subarray(1, 4)
                .toString(),
            ).toBe("PNG");
      }
      const lines: string[] = [];
      for await (const line of hypervisor.console(vm)) lines.push(line);
      expect(lines).toContain("hello from the guest");
      expect(await hypervisor.waitStopped(vm, within(60_000))).toBe("guest-shutdown");
      await hypervisor.stop(vm);
      expect(await hypervisor.consoleText(vm)).toContain("hello from the guest");
      await hypervisor.fetchDisk(vm, 0, join(folder, "fetched.img"));
      const fetched = await readFile(join(folder, "fetched.img"));
      expect(fetched.length).toBe(64 * mib);
      expect(fetched[0]).toBe("x".charCodeAt(0));
      await hypervisor.destroy(vm);
      expect(await hypervisor.state(vm)).toBe("absent");
      expect(await hypervisor.list()).not.toContain(vm);
    });

    it("connects a terminal to the console, both ways", async () => {
      await hypervisor.define(contractSpec());
      await hypervisor.start(
        vm,
        await bench.guest('echo ready; read -r word; echo "you said $word"; /busybox sleep 2'),
      );
      const line = await hypervisor.joinConsole(vm);
      let said = "";
      line.on("data", (data) => {
        said += data;
      });
      const hears = (text: string) =>
        waitFor(text, async () => (said.includes(text) ? true : undefined), within(60_000));
      await hears("ready");
      line.write("hello\n");
      await hears("you said hello");
      line.destroy();
    });

    it("distinguishes a crash and a reset from a shutdown", async () => {
      await hypervisor.define(contractSpec());
      await hypervisor.start(vm, await bench.guest("/busybox sleep 600"));
      await bench.crash(vm);
      const isTold = !hypervisor.continuesReboots;
      expect(await hypervisor.waitStopped(vm, within(60_000))).toBe(isTold ? "killed" : "guest-shutdown");
      if (!isTold) return;
      await hypervisor.start(vm, await bench.guest("/busybox reboot -f"));
      expect(await hypervisor.waitStopped(vm, within(60_000))).toBe("guest-reset");
    });

    it.each(["raw", "qcow2"])("copies a %s image to a disk with the same bytes", async (format) => {
      const bytes = join(folder, "bytes");
      const image = join(folder, `image.${format}`);
      const to = join(folder, `copied-from.${format}`);
      const content = Buffer.concat([Buffer.alloc(mib, "c"), Buffer.alloc(3 * mib), Buffer.alloc(mib, "d")]);
      await writeFile(bytes, content);
      await localHost().run(["qemu-img", "convert", "-f", "raw", "-O", format, bytes, image]);
      await hypervisor.define(contractSpec({ disks: disks({ copyOf: image }) }));
      await hypervisor.fetchDisk(vm, 0, to);
      expect((await readFile(to)).equals(content)).toBe(true);
    });

    it("takes a raw image for what its name says, although it begins like a qcow2 file with a backing file", async () => {
      const [secret, image] = [join(folder, "secret.img"), join(folder, "guest.img")];
      await writeFile(secret, Buffer.alloc(mib, "s"));
      const create = ["qemu-img", "create", "-q", "-f", "qcow2", "-b", secret, "-F", "raw"];
      await localHost().run([...create, image]);
      await truncate(image, 2 * mib);
      const bytes = await readFile(image);
      for (const content of [{ copyOf: image }, { grownFrom: image }]) {
        const to = join(folder, "copyOf" in content ? "hostile.img" : "hostile.qcow2");
        await hypervisor.define(contractSpec({ disks: disks(content) }));
        await hypervisor.fetchDisk(vm, 0, to);
        const raw = join(folder, "hostile.raw");
        const format = "copyOf" in content ? "raw" : "qcow2";
        await localHost().run(["qemu-img", "convert", "-f", format, "-O", "raw", to, raw]);
        expect((await readFile(raw)).equals(bytes)).toBe(true);
        await hypervisor.destroy(vm);
      }
    });

    it("shows disks in the order of their slots, protects read-only ones, and makes thin ones from an image", async () => {
      const base = join(folder, "base.img");
      await writeFile(base, Buffer.alloc(8 * mib, "b"));
      const spec = (mode: "read-only" | "write") =>
        contractSpec({
          disks: [
            { slot: 3, mode, content: { copyOf: base } },
            { slot: 0, mode: "write", content: { blank: 4 * mib } },
            { slot: 1, mode: "write", content: { grownFrom: base } },
          ],
        });
      const canProtect = hypervisor.readOnlyDisks !== false;
      if (!canProtect) await expect(hypervisor.define(spec("read-only"))).rejects.toThrow(/read-only/);
      await hypervisor.define(spec(canProtect ? "read-only" : "write"));
      await ran(
        vm,
        [
          `echo "sizes $(for d in ${[0, 1, 3].map((slot, n) => bench.device(n, slot)).join(" ")}; do /busybox blockdev --getsize64 $d; done | /busybox tr '\\n' ' ')"`,
          puts("x", bench.device(0)),
          puts("y", bench.device(1)),
          `${puts("z", bench.device(2, 3))} || echo refused`,
        ].join("\n"),
      );
      const said = await hypervisor.consoleText(vm);
      expect(said).toContain(`sizes ${4 * mib} ${8 * mib} ${8 * mib}`);
      for (const word of ["wrote x", "wrote y", canProtect ? "refused" : "wrote z"])
        expect(said).toContain(word);
      expect((await readFile(base)).every((byte) => byte === "b".charCodeAt(0))).toBe(true);
    });

    it("lets two machines write to one shared disk, which outlives them", async () => {
      const shared = await apartDisk("shared.img", Buffer.alloc(mib, "-"));
      const spec = (name: string) =>
        contractSpec({
          name,
          disks: [{ slot: 0, mode: "shared", content: { existing: shared } }],
          nics: [{ network: buildNetwork, mac: `00:21:f6:00:00:0${name === vm ? 1 : 2}` }],
        });
      for (const name of [vm, second]) await hypervisor.define(spec(name));
      // The second one starts while the first has the disk open.
      await hypervisor.start(vm, await bench.guest(`${puts("m", bench.device(0))}; /busybox sleep 600`));
      await waitFor(
        "the first write",
        async () => ((await hypervisor.consoleText(vm)).includes("wrote m") ? true : undefined),
        within(60_000),
      );
      await ran(second, `${gets(bench.device(0))}; ${puts("n", bench.device(0))}`);
      expect(await hypervisor.consoleText(second)).toContain("there is m");
      for (const name of [vm, second]) await hypervisor.destroy(name);
      const left = (await files.host.readFile(shared)) ?? new Uint8Array();
      expect(Buffer.from(left).subarray(0, 1).toString()).toBe("n");
      expect(left.length).toBe(mib);
    });

    it("shows disks in the order of their slots, shared ones after the system disk", async () => {
      const image = (name: string, letter: string) => apartDisk(name, Buffer.alloc(mib, letter));
      const [own, first, last] = [
        await image("own.img", "o"),
        await image("one.img", "p"),
        await image("two.img", "q"),
      ];
      await hypervisor.define(
        contractSpec({
          disks: [
            { slot: 0, mode: "write", content: { existing: own } },
            { slot: 1, mode: "shared", content: { existing: first } },
            { slot: 2, mode: "shared", content: { existing: last } },
          ],
        }),
      );
      await ran(vm, [0, 1, 2].map((n) => gets(bench.device(n))).join("; "));
      const said = await hypervisor.consoleText(vm);
      expect([...said.matchAll(/there is (\w)/g)].map(([, letter]) => letter)).toEqual(["o", "p", "q"]);
    });

    it("shows each vnic with its MAC, in order", async () => {
      const nics = [
        { network: buildNetwork, mac: "00:21:f6:00:00:11" },
        { network: "storage", mac: "00:21:f6:00:00:12" },
      ];
      await hypervisor.define(contractSpec({ nics }));
      await ran(
        vm,
        // A driver finds its cards one by one.
        "i=0; while [ ! -e /sys/class/net/eth1 ] && [ $i -lt 100 ]; do /busybox usleep 100000; i=$((i+1)); done; " +
          "for n in /sys/class/net/eth*; do echo $(/busybox basename $n) $(/busybox cat $n/address); done",
      );
      const said = await hypervisor.consoleText(vm);
      expect([...said.matchAll(/eth\d ([0-9a-f:]{17})/g)].map(([, mac]) => mac)).toEqual(
        nics.map(({ mac }) => mac),
      );
    });

    it("clones a machine, with its own disks", async () => {
      if (!hypervisor.clone) return expect(hypervisor.clone).toBeUndefined();
      await hypervisor.define(contractSpec());
      await ran(vm, puts("a", bench.device(0)));
      await hypervisor.clone(vm, {
        name: second,
        nics: [{ network: buildNetwork, mac: "00:21:f6:00:00:02" }],
      });
      expect(await hypervisor.state(second)).toBe("stopped");
      await ran(second, `${gets(bench.device(0))}; ${puts("c", bench.device(0))}`);
      expect(await hypervisor.consoleText(second)).toContain("there is a");
      await ran(vm, gets(bench.device(0)));
      expect(await hypervisor.consoleText(vm)).toContain("there is a");
    });

    it("passes messages both ways, if it has a channel", async () => {
      const { messageScript } = bench;
      expect(messageScript === undefined).toBe(hypervisor.messages === undefined);
      if (!hypervisor.messages || !messageScript) return;
      expect(hypervisor.messages.reaches.length).toBeGreaterThan(0);
      await hypervisor.define(contractSpec());
      await hypervisor.start(vm, await bench.guest(messageScript("ask", "name?")));
      await using messages = await hypervisor.messages.open(vm);
      const received = (key: string, value: string) =>
        waitFor(
          `${key}=${value}`,
          async () => messages.received().find((message) => message.key === key && message.value === value),
          within(60_000),
        );
      await received("ask", "name?");
      await messages.send("told", 'a "quoted" word');
      await received("heard", 'a "quoted" word');
    });

    it("says where to log in once it is known", async () => {
      await hypervisor.define(contractSpec());
      expect(await hypervisor.address(vm)).toBeUndefined();
    });
  });
}
