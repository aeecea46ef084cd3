import { execFileSync } from "node:child_process";
import { createHash, generateKeyPairSync, randomBytes } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { findLeftovers } from "../../src/guest/leftovers/index.ts";
import { secretIn } from "../../src/guest/leftovers/secret-shapes.ts";
import { memoryTree } from "../fakes/memory-tree.ts";

const rsa = generateKeyPairSync("rsa", { modulusLength: 2048 });
const ec = generateKeyPairSync("ec", { namedCurve: "P-256" });
const ed = generateKeyPairSync("ed25519");
const pem = rsa.privateKey.export({ type: "pkcs1", format: "pem" }) as string;
const small = ed.privateKey.export({ type: "pkcs8", format: "pem" }) as string;
const locked = { cipher: "aes-256-cbc", passphrase: "x" };
const lines = (text: string, before: string) => text.replaceAll(/^(?=.)/gm, before);
const base64 = (data: string | Buffer) => Buffer.from(data as string).toString("base64");
const wrapped = (text: string) => text.replaceAll(/.{76}/g, "$&\n");
const der = (type: "pkcs1" | "pkcs8") => rsa.privateKey.export({ type, format: "der" }) as Buffer;

/** A secret key of OpenPGP, by its packets, followed by a user ID. */
const openPgp = (tag: number) => {
  const ed25519 = Buffer.from("092b06010401da470f01", "hex");
  const body = Buffer.concat([Buffer.from([4, 0x65, 0, 0, 0, 22]), ed25519, randomBytes(90)]);
  const user = Buffer.from("Anna <anna@example.com>");
  return Buffer.concat([Buffer.from([tag, body.length]), body, Buffer.from([0xb4, user.length]), user]);
};

const keys: readonly (readonly [string, string | Buffer, string?])[] = [
  ["PEM", pem],
  ["PEM in JSON", JSON.stringify({ type: "service_account", private_key: pem })],
  ["PEM in JSON in JSON", JSON.stringify({ account: JSON.stringify({ private_key: small }) })],
  ["PEM indented in YAML", `tls:\n  key: |\n${lines(pem, "    ")}`],
  ["PEM in YAML, quoted, with escapes", `key: "${pem.replaceAll("\n", "\\n")}"\n`],
  ["PEM in one line", `KEY="${pem.replaceAll("\n", " ")}"\n`],
  ["PEM in a program, a string a line", lines(pem.trimEnd(), '  "').replaceAll(/$/gm, '\\n"')],
  ["PEM behind comment signs", lines(pem, "# ")],
  ["PEM with the line ends of Windows", pem.replaceAll("\n", "\r\n")],
  ["PEM in UTF-16", Buffer.from(`\ufeff${pem}`, "utf16le")],
  ["PEM in UTF-16, big endian", Buffer.from(`\ufeff${pem}`, "utf16le").swap16()],
  ["PEM in base64", `client-key-data: ${base64(pem)}\n`],
  ["PEM in base64 of many lines", wrapped(base64(pem))],
  ["PEM in percent encoding", `key=${encodeURIComponent(pem)}`],
  ["PEM with a password", rsa.privateKey.export({ type: "pkcs1", format: "pem", ...locked }) as string],
  ["PKCS#1 in DER", der("pkcs1")],
  ["PKCS#8 in DER", der("pkcs8")],
  ["PKCS#8 of Ed25519 in DER", ed.privateKey.export({ type: "pkcs8", format: "der" }) as Buffer],
  ["SEC 1 in DER", ec.privateKey.export({ type: "sec1", format: "der" }) as Buffer],
  [
    "PKCS#8 with a password in DER",
    rsa.privateKey.export({ type: "pkcs8", format: "der", ...locked }) as Buffer,
    "an encrypted private key",
  ],
  ["DER in base64, in a property", `signing=${base64(der("pkcs8"))}\n`],
  ["DER in base64 of many lines", wrapped(base64(der("pkcs8")))],
  ["a secret key of OpenPGP", openPgp(0x94), "a private key of OpenPGP"],
  ["a secret key of OpenPGP with a new head", openPgp(0xc5), "a private key of OpenPGP"],
  ["a key of GnuPG's agent", "(21:protected-private-key(3:rsa", "a private key of GnuPG"],
];

describe("a private key", () => {
  it.each(keys)("as %s is found", (_what, content, words = "a private key") => {
    const data = Buffer.from(content as string);
    expect(secretIn(data, data.toString("latin1"))).toBe(words);
  });

  const nothing: readonly (readonly [string, string | Buffer])[] = [
    ["a public key", rsa.publicKey.export({ type: "spki", format: "pem" }) as string],
    ["a public key in DER", rsa.publicKey.export({ type: "spki", format: "der" }) as Buffer],
    ["a public key in base64", base64(rsa.publicKey.export({ type: "spki", format: "der" }) as Buffer)],
    ["the line alone", 'begin = "-----BEGIN RSA PRIVATE KEY-----"\nend = "-----END RSA PRIVATE KEY-----"\n'],
    [
      "words about it",
      "-----BEGIN PRIVATE KEY----- starts a key; unquestionablybelow it stands the base64.\n",
    ],
    ["a sample", "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----\n"],
    ["the first byte of OpenPGP", Buffer.concat([Buffer.from([0x94]), randomBytes(40).fill(0x33)])],
    ["a damaged DER", der("pkcs8").fill(7, 30, 60)],
  ];
  it.each(nothing)("is not seen in %s", (_what, content) => {
    const data = Buffer.from(content as string);
    expect(secretIn(data, data.toString("latin1"))).toBeUndefined();
  });

  it("is not found in programs, certificates and random bytes", () => {
    const folders = ["/usr/bin", "/etc/ssl/certs", "/usr/share/ca-certificates/mozilla"];
    const files = folders.filter(existsSync).flatMap((folder) =>
      readdirSync(folder, { withFileTypes: true })
        .filter((one) => one.isFile())
        .slice(0, 200)
        .map(({ name }) => readFileSync(join(folder, name)))
        .filter(({ length }) => length < 1024 * 1024),
    );
    files.push(
      ...Array.from({ length: 2000 }, (_, at) => Buffer.concat([heads[at % 5] ?? heads[0], someBytes(at)])),
    );
    expect(files.flatMap((data) => secretIn(data, data.toString("latin1")) ?? [])).toEqual([]);
  });
});

// The same in every run: a test must not fail by chance.
const someBytes = (seed: number) => createHash("shake256", { outputLength: 300 }).update(`${seed}`).digest();

const heads = ["", "3082", "308130", "94", "c5"].map((hex) => Buffer.from(hex, "hex")) as [
  Buffer,
  ...Buffer[],
];

const packers: Readonly<Record<string, readonly string[]>> = {
  bz2: ["bzip2", "-c"],
  xz: ["xz", "-c"],
  zst: ["zstd", "-c", "-q"],
};

describe("a private key in packed form is found", () => {
  const found = async (path: string, data: Buffer) => {
    const tree = memoryTree({ [path]: data });
    const { found: left, limits } = await findLeftovers(tree, { traits: [], pending: [], keep: [] });
    return { left, limits };
  };

  it.each(Object.entries(packers))("by %s", async (end, [program = "", ...args]) => {
    const data = execFileSync(program, args, { input: pem });
    const path = `/srv/key.pem.${end}`;
    expect(await found(path, data)).toEqual({ left: [{ path, what: "a private key" }], limits: [] });
    const bomb = execFileSync(program, args, { input: Buffer.alloc(70 << 20) });
    expect(await found(path, bomb)).toEqual({ left: [], limits: [`not unpacked: ${path}`] });
  });

  it("as DER by gzip", async () => {
    const what = "a private key";
    expect((await found("/srv/k.gz", gzipSync(der("pkcs8")))).left).toEqual([{ path: "/srv/k.gz", what }]);
  });

  it("in a member of a zip", async () => {
    const script =
      "import sys,zipfile\nz=zipfile.ZipFile(sys.stdout.buffer,'w',zipfile.ZIP_DEFLATED)\nz.writestr('a/note','x')\nz.writestr('a/key.der',sys.stdin.buffer.read())\nz.close()";
    const data = execFileSync("python3", ["-c", script], { input: der("pkcs8") });
    const what = "a private key in its member a/key.der";
    expect(await found("/srv/k.zip", data)).toEqual({ left: [{ path: "/srv/k.zip", what }], limits: [] });
    const bomb = execFileSync("python3", ["-c", script], { input: Buffer.alloc(70 << 20) });
    expect((await found("/srv/k.zip", bomb)).limits).toEqual(["not unpacked: /srv/k.zip"]);
  });
});
