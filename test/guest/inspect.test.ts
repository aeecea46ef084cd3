import { describe, expect, it } from "vitest";
import { inspectGuest, literalParameters } from "../../src/guest/inspect.ts";
import { memoryTree } from "../fakes/memory-tree.ts";

describe("the parameters in a module's script", () => {
  it.each([
    ["as JSON", `[{"key": "a.b", "hidden": true}]`, [{ key: "a.b", hidden: true }], 0],
    ["in any order, over lines", "{'description': u'x',\n 'key': 'a'}", [{ key: "a", description: "x" }], 0],
    ["by a name", "KEY = 'a.b'\n{'key': KEY}", [{ key: "a.b" }], 0],
    ["by a name and more", `P = "a."\n{'key': P + 'b'}`, [{ key: "a.b" }], 0],
    ["put together otherwise", "P = 'a.'\n{'key': '%s.0' % P}\n{'key': P + name}\n{'key': f()}", [], 3],
    ["none", "{'keys': 1}\nx = {}", [], 0],
  ])("are known %s", (_how, script, parameters, dark) => {
    expect(literalParameters(script)).toEqual({ parameters, dark });
  });

  it("of a script made to hold it up are found at once", () => {
    for (const piece of ["{", "{'key':", "{'key' :   ", "a = 'b", ":  a +  ", "{,  "])
      expect(literalParameters(piece.repeat(200_000 / piece.length)).parameters).toEqual([]);
  });
});

describe("a guest that nobody described", () => {
  it("that is nothing tbuild knows is said to be so", async () => {
    const facts = await inspectGuest(memoryTree({ "/etc/debian_version": "12" }));
    expect(facts).toMatchObject({ release: undefined, armed: undefined, passport: undefined, contract: [] });
    expect(facts.unknown.join("\n")).toMatch(/^release: .*\nkernel: /);
  });

  it("with several kernels boots the one that its menu names", async () => {
    const kernels = { "/boot/vmlinuz-1": "", "/boot/vmlinuz-2": "" };
    const kernelOf = async (files: Record<string, string>) => (await inspectGuest(memoryTree(files))).kernel;
    expect(await kernelOf(kernels)).toBeUndefined();
    expect(await kernelOf({ "/boot/vmlinuz-1": "", "/boot/vmlinuz-0-rescue-abc": "" })).toBe("1");
    const menu = "default=1\ntitle x\n\tkernel /vmlinuz-1 ro\ntitle y\n\tkernel /vmlinuz-2 ro\n";
    expect(await kernelOf({ ...kernels, "/boot/grub/grub.conf": menu })).toBe("2");
  });
});
