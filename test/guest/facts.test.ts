import { describe, expect, it } from "vitest";
import { factsOf } from "../../src/guest/facts.ts";
import { Survey } from "../../src/guest/survey.ts";
import { memoryTree } from "../fakes/memory-tree.ts";

describe("a guest without a description", () => {
  it("that is unknown to tbuild is reported as unknown", async () => {
    const facts = await factsOf(new Survey(memoryTree({ "/etc/debian_version": "12" })));
    expect(facts).toMatchObject({ release: undefined, armed: undefined, passport: undefined, contract: [] });
    expect(facts.unknown.join("\n")).toMatch(/^release: .*\nkernel: /);
  });

  it("names the parameters that its modules make at run time, and lists the others", async () => {
    const script = (parameters: string) =>
      `import os, json\nfrom templateconfig.cli import main\ndef do_enumerate(target):\n  return json.dumps(${parameters})\nmain(do_enumerate, {})\n`;
    const facts = await factsOf(
      new Survey(
        memoryTree({
          "/etc/template.d/configure/50-net": "",
          "/etc/template.d/scripts/net": script("[{'key': 'a'}, {'key': os.name}]"),
          "/etc/template.d/configure/90-big": "",
          "/etc/template.d/scripts/big": `#${"x".repeat(300_000)}`,
        }),
      ),
    );
    expect(facts.contract.map(({ key }) => key)).toEqual(["a"]);
    expect(facts.unknown).toContain("parameters of the module net: line 3 computes a key from os.name");
    expect(facts.unknown.join("\n")).toMatch(/module big: its script is too large to read \(300001 bytes\)/);
  });

  it("with several kernels boots the kernel of its menu", async () => {
    const kernels = { "/boot/vmlinuz-1": "", "/boot/vmlinuz-2": "" };
    const kernelOf = async (files: Record<string, string>) =>
      (await factsOf(new Survey(memoryTree(files)))).kernel;
    expect(await kernelOf(kernels)).toBeUndefined();
    expect(await kernelOf({ "/boot/vmlinuz-1": "", "/boot/vmlinuz-0-rescue-abc": "" })).toBe("1");
    const menu = "default=1\ntitle x\n\tkernel /vmlinuz-1 ro\ntitle y\n\tkernel /vmlinuz-2 ro\n";
    expect(await kernelOf({ ...kernels, "/boot/grub/grub.conf": menu })).toBe("2");
  });
});
