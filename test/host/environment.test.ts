import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { environmentFor } from "../../src/host/environment.ts";
import { localHost } from "../../src/host/local.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tbuild-environment-"));
  for (const program of ["qemu-system-x86_64", "ssh", "git", "docker-credential-ecr-login"]) {
    await writeFile(join(folder, program), "#!/bin/sh\n/usr/bin/env\n");
    await chmod(join(folder, program), 0o755);
  }
});
afterAll(() => rm(folder, { recursive: true, force: true }));
afterEach(() => vi.unstubAllEnvs());

const own = {
  SHOP_PASSWORD: "hunter2",
  TBUILD_SET_timezone: "UTC",
  AWS_SECRET_ACCESS_KEY: "aws",
  GITLAB_TOKEN: "token",
  NPM_TOKEN: "token",
  SSH_AUTH_SOCK: "/run/agent",
  GIT_AUTHOR_NAME: "Ann",
  GIT_CONFIG_VALUE_0: "AUTHORIZATION: basic c2VjcmV0",
  https_proxy: "http://user:secret@proxy:3128",
  LC_MESSAGES: "C",
  LANG: "en_US.UTF-8",
};

/** The names that a program is given of those above. */
async function given(program: string, how: "run" | "talk"): Promise<string[]> {
  for (const [name, value] of Object.entries(own)) vi.stubEnv(name, value);
  vi.stubEnv("PATH", `${folder}:${process.env.PATH}`);
  const lines: string[] = [];
  const onLine = (line: string) => void lines.push(line);
  if (how === "run") await localHost().run([program], { onLine });
  else {
    const talk = await localHost().talk([program], { onLine });
    await talk.ended;
  }
  const names = lines.map((line) => line.split("=")[0] ?? "");
  return Object.keys(own).filter((name) => names.includes(name));
}

describe.each(["run", "talk"] as const)("a program that is started to %s", (how) => {
  it.each([
    ["qemu-system-x86_64", ["LC_MESSAGES", "LANG"]],
    ["ssh", ["SSH_AUTH_SOCK", "LC_MESSAGES", "LANG"]],
    ["git", ["SSH_AUTH_SOCK", "GIT_AUTHOR_NAME", "https_proxy", "LC_MESSAGES", "LANG"]],
    [
      "docker-credential-ecr-login",
      ["AWS_SECRET_ACCESS_KEY", "SSH_AUTH_SOCK", "https_proxy", "LC_MESSAGES", "LANG"],
    ],
  ])("%s gets only the variables that it needs, and no password of a recipe", async (program, names) => {
    expect(await given(program, how)).toEqual(names);
  });
});

it("a program gets explicitly named variables, which override others", async () => {
  const out = await localHost().run(["env"], { env: { LANG: "C", OWN: "said" } });
  expect(out.stdout).toMatch(/^LANG=C$/m);
  expect(out.stdout).toMatch(/^OWN=said$/m);
});

it("a program is recognized by its name in any folder", () => {
  const sock = { SSH_AUTH_SOCK: "/run/agent" };
  expect(environmentFor("/usr/bin/ssh", sock)).toEqual(sock);
  expect(environmentFor("/usr/bin/sshd-like", sock)).toEqual({});
});
