import { describe, expect, it } from "vitest";
import { bootEntries } from "../../src/guest/seal/boot-entries.ts";
import { memoryTree } from "../fakes/memory-tree.ts";

const id = "0123456789abcdef0123456789abcdef";
const other = "fedcba9876543210fedcba9876543210";
const nobody = "f".repeat(32);
const kernel = "5.15.0-1.el9uek.x86_64";
const entry = (owner: string, version: string) =>
  `title Oracle Linux\nversion ${version}\nlinux /vmlinuz-${version}\nmachine-id ${owner}\n`;
const grubenv = (saved: string) => `# GRUB Environment Block\nsaved_entry=${saved}\n`.padEnd(1024, "#");

describe("boot entries", () => {
  it("lose the machine id, and the default entry is found as before", async () => {
    const tree = memoryTree(
      {
        [`/boot/loader/entries/${id}-${kernel}.conf`]: {
          data: entry(id, kernel),
          mode: 0o600,
          label: "x:y:boot_t:s0",
        },
        [`/boot/loader/entries/${id}-0-rescue.conf`]: entry(id, `0-rescue-${id}`),
        [`/boot/loader/entries/${other}-0-rescue.conf`]: entry(other, `0-rescue-${other}`),
        "/boot/loader/entries/custom.conf": "title mine\n",
        "/boot/efi/EFI/redhat/grubenv": grubenv(`${id}-${kernel}`),
        "/boot/grub2/grub.cfg": `set default="${id}-${kernel}"\nlinux /vmlinuz-0-rescue-${id}\n`,
        "/etc/kernel/entry-token": `${id}\n`,
        "/etc/machine-info": `CHASSIS=vm\nKERNEL_INSTALL_MACHINE_ID=${id}\n`,
      },
      { links: { "/boot/grub2/grubenv": "../efi/EFI/redhat/grubenv" }, dirs: [`/boot/${id}`] },
    );
    await bootEntries.apply(tree);
    expect(await bootEntries.pending(tree)).toEqual([]);
    expect(await tree.list("/boot/loader/entries")).toEqual([
      "custom.conf",
      `${nobody}-0-rescue-2.conf`,
      `${nobody}-0-rescue.conf`,
      `${nobody}-${kernel}.conf`,
    ]);
    const now = `/boot/loader/entries/${nobody}-${kernel}.conf`;
    expect(await tree.text(now)).toBe(entry(nobody, kernel));
    expect(await tree.stat(now)).toMatchObject({ mode: 0o600, label: "x:y:boot_t:s0" });
    expect(await tree.text("/boot/efi/EFI/redhat/grubenv")).toBe(grubenv(`${nobody}-${kernel}`));
    expect((await tree.stat("/boot/grub2/grubenv"))?.kind).toBe("link");
    expect(await tree.text("/boot/grub2/grub.cfg")).toBe(
      `set default="${nobody}-${kernel}"\nlinux /vmlinuz-0-rescue-${id}\n`,
    );
    expect(await tree.text("/etc/kernel/entry-token")).toBe(`${nobody}\n`);
    expect(await tree.text("/etc/machine-info")).toBe(`CHASSIS=vm\nKERNEL_INSTALL_MACHINE_ID=${nobody}\n`);
    expect(await tree.stat(`/boot/${id}`)).toBeUndefined();
  });

  it.each([
    [
      "a default entry is kept where nobody can write",
      {},
      { "/boot/grub2/grubenv": "../efi/EFI/redhat/grubenv" },
    ],
    [
      "kernels lie in a folder of that name",
      { [`/boot/${id}/${kernel}/linux`]: "x", "/etc/kernel/entry-token": id },
      {},
    ],
  ])("stay as they are while %s", async (_why, files, links) => {
    const tree = memoryTree(
      { [`/boot/loader/entries/${id}-${kernel}.conf`]: entry(id, kernel), ...files },
      { links },
    );
    expect(await bootEntries.pending(tree)).toEqual([]);
  });

  it("fill GRUB's block of 1024 bytes also where a name becomes longer", async () => {
    const tree = memoryTree({
      [`/boot/loader/entries/${id}-${kernel}.conf`]: entry(id, kernel),
      [`/boot/loader/entries/${other}-${kernel}.conf`]: entry(other, kernel),
      "/boot/grub2/grubenv": grubenv(`${other}-${kernel}`),
    });
    await bootEntries.apply(tree);
    expect(await tree.text("/boot/grub2/grubenv")).toBe(grubenv(`${nobody}-${kernel}-2`));
  });
});
