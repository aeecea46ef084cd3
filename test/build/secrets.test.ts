import { execFile } from "node:child_process";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Passwords } from "../../src/build/secrets.ts";
import { TbuildError } from "../../src/errors.ts";
import type { Recipe } from "../../src/recipe/recipe.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tbuild-secrets-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const user = (name: string, password: Recipe["users"][number]["password"]) =>
  ({ name, uid: 1, group: name, groups: [], password }) as Recipe["users"][number];

const passwords = (
  users: Recipe["users"],
  environment: (name: string) => string | undefined = () => undefined,
) => new Passwords({ users, release: "ol8", update: 10 }, folder, environment);

describe("a password", () => {
  it.each([
    ["one\ntwo", "contains more than one line"],
    ["one\n\n", "contains more than one line"],
    ["one\rtwo", "contains more than one line"],
    ["", "is empty"],
    ["\n", "is empty"],
    ["a\u0000b", "contains a control character"],
    ["a\tb", "contains a control character"],
    ["a\u001b[A", "contains a control character"],
    ["a\u0085b", "contains a control character"],
    ["ä".repeat(129), "contains more than 256 bytes"],
    ["x".repeat(5000), "contains more than 256 bytes"],
    [Buffer.from([0x61, 0xff]), "is not UTF-8"],
  ])("%j in a file cannot be one", async (data, fault) => {
    await writeFile(join(folder, "secret"), data);
    const proof = passwords([user("ann", { file: "secret" })]).prove();
    await expect(proof).rejects.toThrow(`the password of ann: file ${folder}/secret ${fault}`);
  });

  it.each(["hunter2", "hunter2\n", "hunter2\r\n", " with blanks ", "pässwörd", "a:b", "x".repeat(256)])(
    "%j is one",
    async (text) => {
      await writeFile(join(folder, "secret"), text);
      await passwords([user("ann", { file: "secret" })]).prove();
      await passwords([user("ann", { env: "S" })], () => text).prove();
    },
  );

  it("is not read from a pipe, a device or a folder", async () => {
    await promisify(execFile)("mkfifo", [join(folder, "pipe")]);
    await symlink("/dev/zero", join(folder, "endless"));
    await mkdir(join(folder, "folder"));
    for (const file of ["pipe", "endless", "folder"])
      await expect(passwords([user("ann", { file })]).prove()).rejects.toThrow(
        `the password of ann: file ${folder}/${file} is not a regular file`,
      );
  });

  it("is recognized as changed by its mark, which does not contain it", async () => {
    await writeFile(join(folder, "secret"), "hunter2\n");
    const users = [user("ann", { file: "secret" }), user("bob", { env: "BOB" }), user("eve", undefined)];
    const bob = (value?: string) => () => value;
    const marks = await passwords(users, bob("swordfish")).marks();
    expect(Object.keys(marks)).toEqual(["ann", "bob"]);
    expect(JSON.stringify(marks)).not.toMatch(/hunter2|swordfish/);
    const changed = (value?: string) => passwords(users, bob(value)).changed(marks);
    expect(await changed("swordfish")).toBeUndefined();
    expect(await changed("another")).toBe("the password of bob changed");
    expect(await changed(undefined)).toBeUndefined();
    await writeFile(join(folder, "secret"), "another\n");
    expect(await changed("another")).toBe("the password of ann, bob changed");
  });

  it("in the environment cannot be one if it is not UTF-8", async () => {
    const users = [user("ann", { env: "A" })];
    const latin1 = `console.log(process.env.A)`;
    const { stdout } = await promisify(execFile)("sh", [
      "-c",
      `A=$(printf 'p\\344ss') exec "${process.execPath}" -e '${latin1}'`,
    ]);
    await expect(passwords(users, () => stdout.trimEnd()).prove()).rejects.toThrow(
      "the password of ann: environment variable A is not UTF-8",
    );
  });

  it("that is refused is reported together with all others, and never shown", async () => {
    const users = [user("ann", { env: "A" }), user("bob", { env: "B" }), user("eve", { env: "E" })];
    const environment = (name: string) => ({ A: "secret\nsecret", E: "fine" })[name];
    const fault = await passwords(users, environment)
      .prove()
      .catch((error) => error);
    expect(fault).toBeInstanceOf(TbuildError);
    expect(fault.message).toContain("ann: environment variable A contains more than one line");
    expect(fault.lines).toEqual(["the password of bob: there is no environment variable B"]);
    expect(JSON.stringify([fault.message, fault.lines, fault.hint])).not.toContain("secret");
  });
});
