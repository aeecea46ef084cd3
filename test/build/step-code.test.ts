import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { stepCode } from "../../src/build/step-code.ts";
import { domainTypes, guestModes } from "../../src/choices.ts";
import { inGuestOperations } from "../../src/guest/convert/in-guest.ts";
import { buildOperations } from "../../src/guest/convert/index.ts";
import { codeDigest, modulesOf, pathOf } from "../../src/io/code-digest.ts";

const steps = [
  "fetch-medium",
  "install-guest",
  "provision-guest",
  "inject-modules",
  "keep-master",
  "convert-image",
  "seal-image",
  "audit-image",
  "boot-trial",
  "pack-bundles",
  "publish-template",
  "place-template",
];
const moduleOf = (step: string) => new URL(`../../src/build/steps/${step}.ts`, import.meta.url).href;

/** The steps whose code changes with `path`. */
async function shapedBy(path: string): Promise<string[]> {
  let changed = false;
  const read = async (url: string) => {
    const text = await readFile(fileURLToPath(url), "utf8");
    if (pathOf(url) !== path) return text;
    changed = true;
    return `${text}\nexport const more = 1;\n`;
  };
  const moved: string[] = [];
  for (const step of steps)
    if ((await stepCode(moduleOf(step), read)) !== (await stepCode(moduleOf(step)))) moved.push(step);
  expect(changed || moved.length === 0).toBe(true);
  return moved;
}

describe("the code of a step", () => {
  it.each([
    ["an operation of the seal", "guest/seal/traces", ["seal-image", "audit-image"]],
    ["the table of the seal", "guest/seal/table", ["seal-image", "audit-image"]],
    ["an operation of the conversion", "guest/convert/consoles", ["convert-image", "audit-image"]],
    ["how modules are injected", "firstboot/inject", ["inject-modules", "seal-image", "audit-image"]],
    ["a packer", "bundles/write/ova", ["pack-bundles"]],
    ["what a bundle says", "bundles/write/vm-cfg", ["pack-bundles"]],
    ["what is provisioned", "provision/acts", ["provision-guest"]],
    ["how guests are provisioned", "provision/provision", ["provision-guest"]],
    ["the stand-in for Oracle's disc", "rehearsal/iso-tree", ["fetch-medium"]],
    ["what shapes nothing", "errors", []],
    ["how programs are started", "host/local", []],
    ["how the installer's console is read", "build/watch/patterns", []],
    ["what is an input itself", "recipe/recipe", []],
    ["what only the command line needs", "cli/live-view", []],
  ])("changes for this step only, if %s is changed", async (_, path, wanted) => {
    expect(await shapedBy(path)).toEqual(wanted);
  });

  it("includes every seal and conversion operation", async () => {
    const paths = async (step: string) => [...(await modulesOf(moduleOf(step))).keys()].map(pathOf);
    const { sealTable } = await import("../../src/guest/seal/table.ts");
    expect(sealTable.length).toBeGreaterThan(20);
    expect(await paths("seal-image")).toEqual(expect.arrayContaining(["guest/seal/ssh", "guest/seal/logs"]));
    expect(await paths("convert-image")).toEqual(
      expect.arrayContaining(["guest/convert/disk-names", "guest/convert/initramfs-drivers"]),
    );
  });

  it("uses no programs of the guest for a conversion, because the running guest did that before", () => {
    const release = { name: "EL6", major: 6, update: 0 } as const;
    for (const mode of guestModes)
      expect(buildOperations(mode, release).filter(({ needs }) => needs === "programs")).toEqual([]);
    for (const type of domainTypes) {
      const names = inGuestOperations(type, release).map(({ name }) => name);
      expect(names).toEqual(type === "XEN_HVM" ? [] : ["xen-drivers"]);
    }
  });

  it("does not change when a file is moved, or when only a type is imported", async () => {
    const at = (texts: Record<string, string>) => (url: string) =>
      Promise.resolve(texts[url.replace("file:///x/", "")] ?? "");
    const before = at({
      "a.js": 'import { b } from "./b.js";\nb();',
      "b.js": "export const b = () => 1;",
    });
    const moved = at({
      "a.js": 'import { b } from "./far/b.js";\nb();',
      "far/b.js": "export const b = () => 1;",
    });
    const other = at({ "a.js": 'import { b } from "./b.js";\nb();', "b.js": "export const b = () => 2;" });
    const digest = (read: (url: string) => Promise<string>) => codeDigest("file:///x/a.js", { read });
    expect(await digest(moved)).toBe(await digest(before));
    expect(await digest(other)).not.toBe(await digest(before));
    const typed = at({ "a.js": 'import type { T } from "./t.js";\n' });
    expect([...(await modulesOf("file:///x/a.js", { read: typed })).keys()]).toEqual(["file:///x/a.js"]);
  });
});
