import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { resolvedValue } from "../../src/cli/resolved-value.ts";
import { readValues } from "../../src/cli/values.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tbuild-resolved-"));
});
afterAll(() => rm(folder, { recursive: true }));

const at = { file: "v.yaml", line: 3, column: 1 };
const ofFile = async (key: string, text: string | Uint8Array) => {
  const path = join(folder, "secret");
  await writeFile(path, text);
  return resolvedValue({ key, value: { kind: "file", path }, at });
};

it("a private key for the module ssh may be the file that ssh-keygen wrote", async () => {
  const key = "-----BEGIN X-----\nabc\r\n-----END X-----\n";
  const line = "-----BEGIN X-----\\nabc\\n-----END X-----";
  expect(await ofFile("com.oracle.linux.ssh.private-key.0", key)).toBe(line);
  expect(await ofFile("com.oracle.linux.ssh.host-rsa-key", key)).toBe(line);
});

it("another value of several lines is refused, with what to do", async () => {
  const error = ofFile("org.example.db.key", "-----BEGIN X-----\nabc\n");
  await expect(error).rejects.toThrow("org.example.db.key: the value has several lines");
  await expect(error).rejects.toMatchObject({ subject: "v.yaml:3:1", hint: expect.stringMatching(/base64/) });
});

it("a file that is not UTF-8 is refused, and not sent with other letters", async () => {
  const latin = Buffer.from("gr\xfc\xdfe", "latin1");
  await expect(ofFile("com.oracle.linux.root-password", latin)).rejects.toThrow(/secret is not UTF-8/);
  await expect(readValues(join(folder, "secret"))).rejects.toThrow("is not UTF-8");
});
