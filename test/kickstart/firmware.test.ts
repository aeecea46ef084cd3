import { resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { machineSpec } from "../../src/build/guest-machine.ts";
import { qemuArgs } from "../../src/hypervisor/qemu/qemu-args.ts";
import { kickstartFaults } from "../../src/kickstart/check-recipe.ts";
import { noSecrets, renderKickstart } from "../../src/kickstart/render.ts";
import { loadRecipe } from "../../src/recipe/load.ts";
import { readYaml } from "../../src/recipe/located.ts";
import { assigned } from "../../src/recipe/merge.ts";
import { rules } from "../../src/recipe/rules.ts";
import { kickstartTemplate } from "../kickstart-template.ts";

const recipes = resolve(import.meta.dirname, "../../recipes");

function load(name: string, values: Readonly<Record<string, string>>) {
  const said = Object.entries(values).map(([key, value]) => assigned(key, readYaml(`--set ${key}`, value)));
  return loadRecipe(recipes, name, rules, said);
}

async function faultsOf(name: string, values: Readonly<Record<string, string>>): Promise<string> {
  return load(name, values).then(
    () => "",
    (error) => (error.lines as string[]).join("\n"),
  );
}

const kvm = { "machine.firmware": "uefi", domainType: "XEN_HVM", bundles: "[qcow2, raw]" };

describe("a machine that UEFI starts", () => {
  it.each(["ol7", "ol8", "ol9"] as const)(
    "has an EFI system partition on %s, whatever its disk",
    async (release) => {
      for (const disk of ["20G", "4T"]) {
        const loaded = await load(`${release}-base`, { ...kvm, "machine.disk": disk });
        const rendered = await renderKickstart(loaded.recipe, await kickstartTemplate(release), noSecrets);
        expect(kickstartFaults(rendered, loaded)).toEqual([]);
        const [first, ...others] = rendered.text.split("\n").filter((line) => line.startsWith("part "));
        expect(first).toBe("part /boot/efi --fstype=efi --size=200");
        expect(others.join("\n")).not.toMatch(/biosboot|efi/);
      }
    },
  );

  it("counts that partition towards the disk", async () => {
    const { recipe } = await load("ol8-base", kvm);
    const sum = recipe.layout.reduce((all, part) => all + part.size, 0);
    expect(await faultsOf("ol8-base", { ...kvm, "machine.disk": `${sum + 100}M` })).toContain(
      `layout: needs ${sum + 200} MiB`,
    );
    expect(await faultsOf("ol8-base", { "machine.disk": `${sum + 100}M` })).toBe("");
  });

  it("is no guest of Oracle VM, no XEN_PVM, and no OL5 or OL6", async () => {
    expect(await faultsOf("ol8-base", { "machine.firmware": "uefi" })).toMatch(
      /bundles\.0: ovm-tgz is for Oracle VM[\s\S]*bundles\.1: ova is for Oracle VM/,
    );
    expect(await faultsOf("ol8-base", { ...kvm, target: "ovm-3.4.6" })).toContain(
      "machine.firmware: Oracle VM has BIOS guests only",
    );
    expect(await faultsOf("ol6-base", { ...kvm, domainType: "XEN_PVM" })).toMatch(
      /UEFI cannot start the installer of ol6[\s\S]*XEN_PVM starts its kernel without firmware/,
    );
    expect(await faultsOf("ol8-base", { "machine.firmware": "efi" })).toContain(
      '"efi" is not an allowed value; did you mean "uefi"?',
    );
  });

  it("starts from OVMF in qemu, with variables of its own", async () => {
    const { recipe } = await load("ol8-base", kvm);
    const spec = machineSpec(recipe, "x", { blank: 1 }, { macs: [] });
    const paths = {
      disks: [],
      pidfile: "",
      qmp: "",
      serialLog: "",
      serialSocket: "",
      messages: "",
      variables: "/v.fd",
    };
    const args = qemuArgs(spec, paths, { accelerator: "tcg", sshPort: 1 });
    expect(args).toContain("if=pflash,format=raw,file=/v.fd");
    const bios = qemuArgs({ ...spec, firmware: undefined } as never, paths, {
      accelerator: "tcg",
      sshPort: 1,
    });
    expect(bios.join(" ")).not.toContain("pflash");
  });
});
