import { execFileSync } from "node:child_process";
import { generateKeyPairSync } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { findLeftovers } from "../../src/guest/leftovers/index.ts";
import { searchInside } from "../../src/guest/leftovers/packed.ts";
import { memoryTree } from "../fakes/memory-tree.ts";

const privateKey = generateKeyPairSync("ed25519").privateKey.export({
  type: "pkcs8",
  format: "pem",
}) as string;
const initramfs = "/boot/initramfs-4.18.0.x86_64.img";

async function leftIn(files: Record<string, string | Uint8Array>) {
  const tree = memoryTree({ "/etc/oracle-release": "Oracle Linux Server release 8.10\n", ...files });
  const { found, limits } = await findLeftovers(tree, { traits: [], pending: [], keep: [] });
  // Neither has a database of packages.
  return { found, limits: limits.filter((line) => !line.includes("package")) };
}

/** A cpio archive ("newc") of regular files. */
function archive(files: Record<string, string>): Buffer {
  const parts = Object.entries({ ...files, "TRAILER!!!": "" }).flatMap(([name, text]) => {
    const fields = [1, 0o100644, 0, 0, 1, 0, text.length, 0, 0, 0, 0, name.length + 1, 0];
    const head = `070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}${name}\0`;
    const filled = (data: Buffer) => Buffer.concat([data, Buffer.alloc((4 - (data.length % 4)) % 4)]);
    return [filled(Buffer.from(head)), filled(Buffer.from(text))];
  });
  return Buffer.concat(parts);
}

describe("an initramfs", () => {
  it.each([
    ["etc/ssh/ssh_host_ed25519_key", "binary\0", "a key of its SSH server"],
    ["etc/dropbear/dropbear_rsa_host_key", "\0\0\0\u0007ssh-rsa", "a key of its SSH server"],
    ["root/.ssh/kdump_id_rsa", privateKey, "a private key"],
    ["etc/machine-id", "0123456789abcdef0123456789abcdef\n", "a machine id"],
    ["etc/hostname", "build7.example.com\n", "a host name"],
    ["etc/sysconfig/network", "NETWORKING=yes\nHOSTNAME=build7\n", "a host name"],
    [
      "etc/sysconfig/network-scripts/ifcfg-eth0",
      "DEVICE=eth0\nHWADDR=52:54:00:AA:BB:CC\n",
      "addresses or ids of a network interface",
    ],
    [
      "etc/NetworkManager/system-connections/a.nmconnection",
      "[ethernet]\nmac-address=52:54:00:AA:BB:CC\n",
      "addresses or ids of a network connection",
    ],
    [
      "etc/cmdline.d/40-net.conf",
      "ip=192.0.2.7::192.0.2.1:24::eth0:none\n",
      "addresses of a network interface",
    ],
    ["etc/mdadm.conf", "ARRAY /dev/md0 UUID=00000000:11111111:22222222:33333333\n", "the ids of RAID arrays"],
    ["etc/lvm/lvmlocal.conf", 'local {\n system_id = "build7"\n}\n', "a system id of LVM"],
    ["var/lib/random-seed", "x".repeat(512), "a random seed"],
    ["cryptroot/keyfiles/root.key", "0123", "the key of an encrypted volume"],
    ["etc/shadow", `root:$6$abcdefgh$${"a".repeat(86)}:1::::::\n`, "a password hash"],
  ])("with %s is reported", async (path, text, what) => {
    for (const name of [path, `./${path}`]) {
      const { found } = await leftIn({ [initramfs]: gzipSync(archive({ [name]: text })) });
      expect(found).toEqual([{ path: initramfs, what: `${what} in its file /${path}` }]);
    }
  });

  it.each([
    ["etc/crypttab", "luks-1 UUID=1 /etc/keys/root none\n"],
    ["etc/cmdline.d/90.conf", "rd.luks.key=/etc/keys/root:UUID=1\n"],
  ])("with a key file that %s names is reported", async (path, text) => {
    const image = gzipSync(archive({ [path]: text, "etc/keys/root": "0123456789" }));
    const { found } = await leftIn({ [initramfs]: image });
    expect(found).toEqual([
      { path: initramfs, what: "the key of an encrypted volume in its file /etc/keys/root" },
    ]);
  });

  it("without an identity is not reported", async () => {
    const files = {
      "etc/hostname": "localhost.localdomain\n",
      "etc/machine-id": "\n",
      "etc/sysconfig/network-scripts/ifcfg-lo": "DEVICE=lo\nIPADDR=127.0.0.1\n",
      "etc/cmdline.d/1.conf": "rd.lvm.lv=system/root ip=dhcp\n",
      "etc/crypttab": "swap /dev/sda2 /dev/urandom swap\n",
      "usr/lib/modules/a.ko": privateKey,
      "usr/bin/program": `\x7fELF${privateKey}`,
    };
    for (const image of [gzipSync(archive(files)), archive(files)])
      expect(await leftIn({ [initramfs]: image })).toEqual({ found: [], limits: [] });
  });

  it("that cannot be unpacked is named", async () => {
    const damaged = gzipSync(archive({ "etc/hostname": "build7\n" }));
    const { limits } = await leftIn({
      [initramfs]: damaged.subarray(0, damaged.length - 12),
      "/boot/initrd-2.6.18.img": Buffer.from("no archive at all"),
    });
    expect(limits).toEqual([
      expect.stringMatching(`^${initramfs} was not searched: initramfs: `),
      expect.stringMatching("^/boot/initrd-2.6.18.img was not searched: initramfs: unknown compression"),
    ]);
  });
});

describe("a file that is compressed", () => {
  it("by gzip is searched, also an archive", async () => {
    const { found, limits } = await leftIn({
      "/root/a.gz": gzipSync(`key:\n${privateKey}`),
      "/root/b.tgz": gzipSync(
        Buffer.concat([Buffer.from("id_rsa\0"), Buffer.alloc(505), Buffer.from(privateKey)]),
      ),
    });
    expect(found.map(({ path }) => path)).toEqual(["/root/a.gz", "/root/b.tgz"]);
    expect(limits).toEqual([]);
  });

  it.each([
    ["bzip2", "BZh91AY"],
    ["xz", "\xfd7zXZ\0"],
    ["zstd", "\x28\xb5\x2f\xfd"],
    ["zip", "PK\x03\x04"],
    ["7z", "7z\xbc\xaf'\x1c"],
    ["a damaged gzip", "\x1f\x8b\x08"],
  ])("by %s is named as not searched", async (_what, start) => {
    const { limits } = await leftIn({ "/root/saved": Buffer.from(`${start}and more`, "latin1") });
    expect(limits).toEqual(["not unpacked: /root/saved"]);
  });

  it("and unpacks to more than a configuration file is named, and takes no memory", async () => {
    const { limits } = await leftIn({ "/root/bomb.gz": gzipSync(Buffer.alloc(65 << 20)) });
    expect(limits).toEqual(["not unpacked: /root/bomb.gz"]);
  });

  it("but is a module of SELinux's policy is not named", async () => {
    const path = "/etc/selinux/targeted/active/modules/100/abrt/hll";
    expect((await leftIn({ [path]: "BZh91AY" })).limits).toEqual([]);
  });
});

describe("an archive", () => {
  const der = generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({
    type: "pkcs8",
    format: "der",
  });
  let folder: string;
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "tbuild-packed-"));
    mkdirSync(join(folder, "in/etc"), { recursive: true });
    writeFileSync(join(folder, "in/note"), "nothing");
    writeFileSync(join(folder, "in/etc/signing.bin"), der);
    const run = (script: string) => execFileSync("bash", ["-euc", script], { cwd: folder, stdio: "pipe" });
    run(`openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=x -keyout in/k.pem -out in/c.pem
      openssl pkcs12 -export -inkey in/k.pem -in in/c.pem -passout pass:x -out p12.bin; rm in/k.pem in/c.pem`);
  });
  afterAll(() => rmSync(folder, { recursive: true }));
  const packed = (script: string) =>
    execFileSync("bash", ["-euc", script], {
      cwd: folder,
      maxBuffer: 1 << 26,
      stdio: ["ignore", "pipe", "pipe"],
    });

  const inTar = "tar -cf - in";
  it.each([
    ["tar", inTar, "in/etc/signing.bin"],
    ["tar of the form v7", "tar --format=v7 -cf - in", "in/etc/signing.bin"],
    ["tar with pax heads", "tar --format=pax -cf - in", "in/etc/signing.bin"],
    ["two tar archives in one file", `tar -cf - in/note; ${inTar}`, "in/etc/signing.bin"],
    ["tar with gzip", "tar -czf - in", "in/etc/signing.bin"],
    ["tar with xz", "tar -cJf - in", "in/etc/signing.bin"],
    ["tar with lzma", "tar -c in | xz --format=lzma", "in/etc/signing.bin"],
    ["tar in tar in gzip", `${inTar} > a.tar; tar -cf - a.tar | gzip`, "a.tar/in/etc/signing.bin"],
    ["gzip in tar", "gzip -c in/etc/signing.bin > s.gz; tar -cf - ./s.gz", "s.gz"],
    [
      "zip in tar",
      'python3 -c \'import zipfile;zipfile.ZipFile("z.zip","w",8).write("in/etc/signing.bin")\'; tar -cf - z.zip',
      "z.zip/in/etc/signing.bin",
    ],
    ["cpio, newc", "find in | cpio -o -H newc", "in/etc/signing.bin"],
    ["cpio with sums", "find in | cpio -o -H crc", "in/etc/signing.bin"],
    ["cpio, odc", "find in | cpio -o -H odc", "in/etc/signing.bin"],
    ["cpio, the old form", "find in | cpio -o -H bin", "in/etc/signing.bin"],
    [
      "cpio behind cpio",
      "echo in/note | cpio -o -H newc; find in | cpio -o -H newc | gzip",
      "in/etc/signing.bin",
    ],
    ["ar", "ar qcS a.a in/etc/signing.bin; cat a.a; rm a.a", "signing.bin"],
  ])("with a key in DER is reported: %s", async (name, script, member) => {
    const path = name.includes("lzma") ? "/srv/a.tar.lzma" : "/srv/a";
    const { found, limits } = await leftIn({ [path]: packed(script) });
    expect(found).toEqual([{ path, what: `a private key in its member ${member}` }]);
    expect(limits).toEqual([]);
  });

  it("with a PKCS#12 is reported", async () => {
    const { found } = await leftIn({ "/srv/a.tgz": packed("tar -czf - p12.bin") });
    expect(found).toEqual([
      { path: "/srv/a.tgz", what: "a key store with a private key in its member p12.bin" },
    ]);
  });

  it("with other files is not", async () => {
    for (const script of [
      "tar -cf - in/note",
      "echo in/note | cpio -o -H bin",
      "ar qcS - in/note; cat ./-; rm ./-",
    ])
      expect(await leftIn({ "/srv/a": packed(script) })).toEqual({ found: [], limits: [] });
  });

  it("with one member that cannot be unpacked is searched as far as it can be, and that member is named", async () => {
    writeFileSync(join(folder, "x.7z"), "7z\xbc\xaf'\x1c", "latin1");
    expect(await leftIn({ "/srv/a.tar": packed("tar -cf - x.7z in/note") })).toEqual({
      found: [],
      limits: ["not unpacked: /srv/a.tar/x.7z"],
    });
    const { found } = await leftIn({ "/srv/a.tar": packed("tar -cf - x.7z in") });
    expect(found).toEqual([{ path: "/srv/a.tar", what: "a private key in its member in/etc/signing.bin" }]);
  });

  it("that is truncated is searched as far as it goes, and named", async () => {
    for (const script of [
      "tar -cf - in/note in/note | head -c 1700",
      "ls -d in/note in | cpio -o -H newc | head -c 200",
    ])
      expect((await leftIn({ "/srv/a": packed(script) })).limits).toEqual(["not unpacked: /srv/a"]);
  });

  it("in archives without end is named", async () => {
    let bomb = Buffer.from("x");
    for (let level = 0; level < 9; level++) bomb = gzipSync(bomb);
    expect((await leftIn({ "/srv/a": bomb })).limits).toEqual(["not unpacked: /srv/a"]);
    const wide = packed(
      "truncate -s 33M zeros; gzip -f zeros; for i in 1 2; do cp zeros.gz z$i.gz; done; tar -cf - z?.gz",
    );
    const { notUnpacked } = await searchInside("/srv/a", wide, () => undefined);
    expect(notUnpacked).toEqual(["z2.gz"]);
  });

  it.skipIf(!existsSync("/usr/bin/rpmbuild"))(
    "of rpm is searched: its payload, its scripts, not its programs",
    async () => {
      const put = (to: string) => `install -D ${folder}/in/etc/signing.bin %{buildroot}${to}\n`;
      const [kept, shipped] = ["/etc/x/k", "/usr/share/x/test-key"];
      const about = (name: string) => `%package ${name}\nSummary: x\n%description ${name}\nx\n`;
      const spec = [
        "Name: x\nVersion: 1\nRelease: 1\nSummary: x\nLicense: x\nBuildArch: noarch\n%description\nx\n",
        about("kept") + about("shipped") + about("script"),
        `%install\n${put(kept)}${put(shipped)}%files kept\n${kept}\n%files shipped\n${shipped}\n`,
        `%post script\ncat > /root/k <<END\n${privateKey}END\n%files script\n`,
      ];
      writeFileSync(join(folder, "x.spec"), spec.join(""));
      packed(`rpmbuild -bb --define "_topdir $PWD/top" --define "_rpmdir $PWD/rpms" x.spec >&2`);
      const path = "/srv/x.rpm";
      const inPackage = async (name: string) => {
        const { found, limits } = await leftIn({
          [path]: packed(`cat rpms/noarch/x-${name}-1-1.noarch.rpm`),
        });
        expect(limits).toEqual([]);
        return found;
      };
      expect(await inPackage("kept")).toEqual([{ path, what: "a private key in its member etc/x/k" }]);
      expect(await inPackage("shipped")).toEqual([]);
      expect(await inPackage("script")).toEqual([{ path, what: "a private key" }]);
    },
  );
});
