import { spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { makeProgram } from "../../src/cli/program.ts";
import { run } from "../../src/cli/run.ts";
import { captured } from "../fakes/captured.ts";

const said = captured();

async function script(shell: string): Promise<string> {
  said.out = "";
  expect(await run(["completion", shell])).toBe(0);
  return said.out;
}

/** The words that bash offers for the last of `words`. */
async function offered(...words: string[]): Promise<string[]> {
  const ask = `${await script("bash")}
tbuild() { echo ol6-base; }
COMP_WORDS=(tbuild ${words.map((word) => `'${word}'`).join(" ")}); COMP_CWORD=${words.length}; _tbuild
printf '%s\\n' "\${COMPREPLY[@]}"`;
  return spawnSync("bash", ["-c", ask], { encoding: "utf8" }).stdout.trim().split("\n");
}

describe("completion", () => {
  it("of bash offers commands, subcommands, options, values and recipes", async () => {
    expect(await offered("te")).toEqual(["template"]);
    expect(await offered("template", "pro")).toEqual(["promote"]);
    expect(await offered("seal", "--scr")).toEqual(["--scrub"]);
    expect(await offered("media", "make", "--as", "oem")).toEqual(["oemdrv"]);
    expect(await offered("plan", "ol6")).toEqual(["ol6-base"]);
  });

  it("of zsh equals that of bash", async () => {
    expect(await script("zsh")).toContain(await script("bash"));
  });

  it("of fish has every command and every option", async () => {
    const fish = await script("fish");
    for (const command of makeProgram().commands) {
      expect(fish).toContain(` -a ${command.name()} -d '`);
      for (const { long, hidden } of command.options)
        if (!hidden)
          expect(fish).toContain(`__fish_seen_subcommand_from ${command.name()}' -l ${long?.slice(2)} `);
    }
    expect(fish).toContain("-l as -xa 'remaster boot oemdrv initrd network'");
    for (const line of fish.trim().split("\n")) expect(line).toMatch(/^complete -c tbuild( |$)/);
  });
});
