import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, open, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inflateRawSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openDeflater } from "../../src/bundles/write/deflated.ts";
import { packAll } from "../../src/bundles/write/index.ts";
import { ovfDescriptor } from "../../src/bundles/write/ovf.ts";
import { placeOf } from "../../src/bundles/write/packed-blocks.ts";
import { formats } from "../../src/bundles/write/table.ts";
import { vmCfg } from "../../src/bundles/write/vm-cfg.ts";
import { localHost } from "../../src/host/local.ts";
import type { Manifest } from "../../src/model/manifest.ts";
import { folderStore } from "../../src/store/folder/folder-store.ts";
import type { Store } from "../../src/store/store.ts";
import { missing } from "../fakes/missing.ts";
import { sampleManifest } from "../manifest-sample.ts";

const host = localHost();
let folder: string;
let image: string;
let store: Store;
let manifest: Manifest;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tbuild-format-"));
  image = join(folder, "disk.img");
  const file = await open(image, "w");
  await file.truncate(200 * 2 ** 20);
  for (const at of [0, 50, 199])
    await file.write(Buffer.alloc(2 ** 19, `data at ${at} `), 0, undefined, at * 2 ** 20);
  await file.close();
  store = folderStore(host, join(folder, "store"));
  manifest = sampleManifest(await store.putDisk(image, "System"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const sha256 = async (file: string) =>
  createHash("sha256")
    .update(await readFile(file))
    .digest("hex");

describe.each(formats.map((format) => format.name))("%s", (name) => {
  it("has the same bytes each time, leaves no other file, and has its sum in SHA256SUMS", async () => {
    const [one, two] = [join(folder, `${name}-1`), join(folder, `${name}-2`)];
    const first = await packAll(manifest, store, one, [name], {});
    const second = await packAll(manifest, store, two, [name], {});
    expect(second[0]?.sha256).toBe(first[0]?.sha256);
    expect(await sha256(first[0]?.file ?? "")).toBe(first[0]?.sha256);
    expect((await readdir(one)).sort()).toEqual(["SHA256SUMS", first[0]?.name].sort());
    await host.run(["sha256sum", "-c", "SHA256SUMS"], { cwd: one });
  });

  it("cut short, leaves no file", async () => {
    const controller = new AbortController();
    controller.abort();
    const place = join(folder, `${name}-cut`);
    await expect(packAll(manifest, store, place, [name], { signal: controller.signal })).rejects.toThrow();
    expect(await readdir(place)).toEqual([]);
  });
});

describe("blocks of an earlier bundle", () => {
  const three = ["ovm-tgz", "ova", "qcow2"] as const;
  let other: Manifest;
  let place: string;
  beforeAll(async () => {
    place = join(folder, "earlier");
    const image = join(folder, "words.img");
    const file = await open(image, "w");
    await file.truncate(20 * 2 ** 20);
    // Each block of 64 KiB is different.
    for (let at = 0; at < 32; at++)
      await file.write(Buffer.alloc(2 ** 16, `words of block ${at} `), 0, undefined, at * 2 ** 16);
    await file.close();
    other = sampleManifest(await store.putDisk(image, "System"));
  });
  const packed = async (version: string, memory?: string) => {
    const options = memory === undefined ? {} : { memory: join(place, memory) };
    const bundles = await packAll({ ...other, version }, store, join(place, version), [...three], options);
    return bundles.map(({ format, sha256 }) => [format, sha256]);
  };

  it("give the same bytes as deflating them, also if the earlier bundle is damaged or gone", async () => {
    await packed("1.0.0", "memory");
    const fresh = await packed("2.0.0");
    expect(await packed("2.0.0", "memory")).toEqual(fresh);
    for (const name of await readdir(join(place, "1.0.0"))) {
      const bytes = await readFile(join(place, "1.0.0", name));
      await writeFile(join(place, "1.0.0", name), bytes.fill(7, bytes.length >> 2, bytes.length >> 1));
    }
    await rm(join(place, "2.0.0"), { recursive: true });
    expect(await packed("2.0.0", "memory")).toEqual(fresh);
    await rm(join(place, "1.0.0"), { recursive: true });
    await rm(join(place, "2.0.0"), { recursive: true });
    expect(await packed("2.0.0", "memory")).toEqual(fresh);
  });

  it("are copied from it, and the list of a bundle that is gone is removed", async () => {
    const memory = join(place, "copied");
    const bundle = join(place, "bench-1.0.0.tgz");
    const data = Buffer.alloc(2 ** 16, "some words ");
    {
      await using first = await openDeflater(memory, "bench");
      const block = await first.deflate(data);
      await writeFile(
        bundle,
        Buffer.concat([Buffer.alloc(10), Buffer.from("not deflated"), Buffer.alloc(10)]),
      );
      // It is found by what the list says of it, so these bytes show where they come from.
      await first.packed(bundle, [placeOf({ ...block, bytes: Buffer.from("not deflated") }, 10)]);
    }
    {
      await using second = await openDeflater(memory, "bench");
      expect(String((await second.deflate(data)).bytes)).toBe("not deflated");
    }
    for (const text of ["", "{", "[]", `{"maker":1}`, `{"bundle":"${bundle}","bytes":32}\nx 1`]) {
      await writeFile(join(memory, "bench-1.0.0.qcow2.blocks"), text);
      await using deflater = await openDeflater(memory, "bench");
      expect(String((await deflater.deflate(data)).bytes)).toBe("not deflated");
    }
    await rm(bundle);
    await using third = await openDeflater(memory, "bench");
    expect(inflateRawSync((await third.deflate(data)).bytes).equals(data)).toBe(true);
    expect(await readdir(memory)).not.toContain("bench-1.0.0.tgz.blocks");
  });
});

describe("bundles", () => {
  it("ovm-tgz is what importTemplate wants: vm.cfg and System.img, byte for byte", async () => {
    const [bundle] = await packAll(manifest, store, join(folder, "tgz"), ["ovm-tgz"], {});
    const listed = await host.run(["tar", "-tzf", bundle?.file ?? ""]);
    expect(listed.stdout).toBe("vm.cfg\nSystem.img\n");
    await host.run(["tar", "-xzf", bundle?.file ?? "", "-C", join(folder, "tgz")]);
    expect(await sha256(join(folder, "tgz/System.img"))).toBe(await sha256(image));
  });

  it.each(["XEN_PVM", "XEN_HVM_PV_DRIVERS", "XEN_HVM"] as const)(
    "vm.cfg of %s is Python",
    async (domainType) => {
      const file = join(folder, "vm.cfg");
      await writeFile(file, vmCfg({ ...manifest, domainType }));
      const parsed = await host.run([
        "python3",
        "-c",
        "import sys, json; names = {}; exec(open(sys.argv[1]).read(), {}, names); print(json.dumps(names))",
        file,
      ]);
      const config = JSON.parse(parsed.stdout);
      expect(config.disk).toEqual(["file:System.img,xvda,w"]);
      expect(config.vif).toHaveLength(2);
      expect(config.OVM_description).toContain(`It's "small" & <sealed>`);
      expect(config.bootloader).toBe(domainType === "XEN_PVM" ? "/usr/bin/pygrub" : undefined);
      expect(config.builder).toBe(domainType === "XEN_PVM" ? undefined : "hvm");
    },
  );

  it("ova has well-formed descriptor, checksums and disk in this order", async () => {
    const [bundle] = await packAll({ ...manifest, rehearsal: true }, store, join(folder, "ova"), ["ova"], {});
    const id = "ol6-sample-1.0.0";
    expect((await host.run(["tar", "-tf", bundle?.file ?? ""])).stdout).toBe(
      `${id}.ovf\n${id}.mf\nSystem.vmdk\n`,
    );
    await host.run(["tar", "-xf", bundle?.file ?? "", "-C", join(folder, "ova")]);
    const schema = join(import.meta.dirname, "ovf-1.1/envelope.xsd");
    await host.run(["xmllint", "--noout", "--nonet", "--schema", schema, join(folder, `ova/${id}.ovf`)]);
    for (const line of (await readFile(join(folder, `ova/${id}.mf`), "utf8")).trim().split("\n")) {
      const [, file = "", sum] = /^SHA1\((.+)\)= ([0-9a-f]{40})$/.exec(line) ?? [];
      expect(
        createHash("sha1")
          .update(await readFile(join(folder, "ova", file)))
          .digest("hex"),
      ).toBe(sum);
    }
    await host.run([
      "qemu-img",
      "compare",
      "-f",
      "vmdk",
      "-F",
      "raw",
      join(folder, "ova/System.vmdk"),
      image,
    ]);
    const ovf = await readFile(join(folder, `ova/${id}.ovf`), "utf8");
    for (const part of [
      'ovf:capacity="209715200"',
      "PVM_Linux",
      'ovf:key="root-password"',
      'ovf:class="org.tbuild.grid"',
      "A REHEARSAL",
    ])
      expect(ovf).toContain(part);
  });

  it("OVF properties end with the root password, which starts the work", async () => {
    const [root, other] = manifest.contract;
    if (!root || !other) throw new Error("the sample has two parameters");
    const ovf = ovfDescriptor({ ...manifest, contract: [root, { ...other, key: "com.oracle.linux.a" }] }, []);
    expect([...ovf.matchAll(/ovf:key="([^"]+)"/g)].map(([, key]) => key)).toEqual(["a", "root-password"]);
  });

  it("raw is the disk, equally sparse", async () => {
    const [bundle] = await packAll(manifest, store, join(folder, "raw"), ["raw"], {});
    expect(await sha256(bundle?.file ?? "")).toBe(await sha256(image));
    expect(Number((await host.run(["stat", "-c", "%b", bundle?.file ?? ""])).stdout) * 512).toBeLessThan(
      20 * 2 ** 20,
    );
  });

  it("of two disks have both, and those of one disk have a file for each", async () => {
    const second = join(folder, "second.img");
    await writeFile(second, Buffer.alloc(2 ** 20, "second"));
    const two = { ...manifest, disks: [...manifest.disks, await store.putDisk(second, "data")] };
    const place = join(folder, "two");
    await packAll(two, store, place, ["ovm-tgz", "ova"], {});
    const bundles = await packAll(two, store, place, ["qcow2", "raw"], {});
    const id = "ol6-sample-1.0.0";
    expect(bundles.map((bundle) => bundle.name)).toEqual([
      `${id}-System.qcow2`,
      `${id}-data.qcow2`,
      `${id}-System.img`,
      `${id}-data.img`,
    ]);
    expect(await sha256(join(place, `${id}-data.img`))).toBe(await sha256(second));
    await host.run(["qemu-img", "compare", join(place, `${id}-data.qcow2`), second]);
    const list = async (file: string) => (await host.run(["tar", "-tf", join(place, file)])).stdout;
    expect(await list(`${id}.tgz`)).toBe("vm.cfg\nSystem.img\ndata.img\n");
    expect(await list(`${id}.ova`)).toBe(`${id}.ovf\n${id}.mf\nSystem.vmdk\ndata.vmdk\n`);
    const sums = (await readFile(join(place, "SHA256SUMS"), "utf8")).trim().split("\n");
    expect(sums).toHaveLength(6);
    await host.run(["sha256sum", "--quiet", "-c", "SHA256SUMS"], { cwd: place });
  });

  // A sector, whole and broken blocks, tables that are full, empty and behind one another, data that does not compress.
  it.each([
    [512, [0]],
    [65536, []],
    [65536 + 512, [0, 65536]],
    [2 ** 20 + 4096, [2 ** 20]],
    [32 * 2 ** 20 + 65536, [32 * 2 ** 20 - 512, 32 * 2 ** 20]],
    [1100 * 2 ** 20, [0, 511 * 2 ** 20 + 2 ** 19 + 100, 512 * 2 ** 20, 1100 * 2 ** 20 - 512]],
  ])("of a disk of %i bytes with data at %j are read as that disk by qemu", async (bytes, places) => {
    const file = join(folder, "odd.img");
    const handle = await open(file, "w");
    for (const [i, at] of places.entries()) {
      const data = i % 2 ? Buffer.alloc(3 * 2 ** 20, "text ") : randomBytes(3 * 2 ** 20);
      await handle.write(data.subarray(0, Math.min(data.length, bytes - at)), 0, undefined, at);
    }
    await handle.truncate(bytes);
    await handle.close();
    const odd = { ...manifest, disks: [await store.putDisk(file, "System")] };
    const place = join(folder, `odd-${bytes}`);
    const [ova, qcow2] = await packAll(odd, store, place, ["ova", "qcow2"], {});
    await host.run(["tar", "-xf", ova?.file ?? "", "-C", place]);
    const vmdk = join(place, "System.vmdk");
    for (const [format, packed] of [
      ["vmdk", vmdk],
      ["qcow2", qcow2?.file ?? ""],
    ] as const) {
      await host.run(["qemu-img", "check", "-f", format, packed]);
      const compared = ["qemu-img", "compare", "-f", format, "-F", "raw", packed, file];
      expect((await host.run(compared)).stdout).toContain("Images are identical");
      const info = await host.run(["qemu-img", "info", "-f", format, "--output=json", packed]);
      expect(JSON.parse(info.stdout)["virtual-size"]).toBe(bytes);
    }
  });

  const lacking = missing("virt-v2v");
  it.skipIf(lacking)(`ova is taken by virt-v2v${lacking ? ` (${lacking})` : ""}`, async () => {
    const [bundle] = await packAll(manifest, store, join(folder, "v2v"), ["ova"], {});
    const env = { LIBGUESTFS_BACKEND: "direct" };
    const argv = ["virt-v2v", "-i", "ova", bundle?.file ?? "", "--print-source"];
    const { stdout } = await host.run(argv, { env, timeoutMs: 60_000 });
    expect(stdout).toMatch(/source name: ol6-sample-1\.0\.0/);
    expect(stdout).toMatch(/memory: 2147483648[\s\S]*nr vCPUs: 2[\s\S]*"public" \[xennet\]/);
  });

  it("qcow2 is clean, and contains the disk", async () => {
    const [bundle] = await packAll(manifest, store, join(folder, "qcow2"), ["qcow2"], {});
    const check = await host.run(["qemu-img", "check", bundle?.file ?? ""]);
    expect(check.stdout).toContain("No errors were found on the image.");
    const compare = ["qemu-img", "compare", "-f", "qcow2", "-F", "raw", bundle?.file ?? "", image];
    expect((await host.run(compare)).stdout).toContain("Images are identical.");
  });
});
