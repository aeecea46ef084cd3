import { describe, expect, it } from "vitest";
import { bootEntries, defaultEntry } from "../../src/guest/convert/pygrub-menu.ts";
import { loaderEntryFiles } from "../../src/guest/loader-entries.ts";
import { localHost } from "../../src/host/local.ts";
import { memoryTree } from "../fakes/memory-tree.ts";
import { missing } from "../fakes/missing.ts";

const folder = "/boot/loader/entries";
const id = "0123456789abcdef0123456789abcdef";

function guestWith(names: readonly string[], more: Readonly<Record<string, string>> = {}) {
  const entries = names.map((name) => [
    `${folder}/${name}.conf`,
    `title ${name}\nversion 1\nlinux /vmlinuz-${name}\noptions ro\n`,
  ]);
  return memoryTree({ ...Object.fromEntries(entries), ...more });
}
const orderOf = async (names: readonly string[]) =>
  (await loaderEntryFiles(guestWith(names))).map((path) => path.slice(folder.length + 1, -".conf".length));

describe("the loader entries of a guest", () => {
  it.each([
    [
      "a kernel with more digits is newer, and a rescue kernel is the last",
      [`${id}-5.14.0-70.el9`, `${id}-5.14.0-362.8.1.el9`, `${id}-5.14.0-362.el9`, `${id}-0-rescue`],
      [1, 2, 0, 3],
    ],
    [
      "UEK beside Red Hat's kernel",
      [
        `${id}-5.15.0-8.91.4.1.el8uek.x86_64`,
        `${id}-4.18.0-513.el8.x86_64`,
        `${id}-5.4.17-2136.el8uek.x86_64`,
      ],
      [0, 2, 1],
    ],
    [
      "a debug kernel is older than what it debugs",
      [`${id}-5.14.0-9.el9~debug`, `${id}-5.14.0-9.el9`],
      [1, 0],
    ],
    ["the name counts before the version", ["1-9-9", "b-1-1", "a-2-2"], [0, 1, 2]],
    ["names without a version", ["custom", "custom-2", "custom-10", "custom-10-1"], [3, 2, 1, 0]],
    ["GRUB takes + as rpm takes ^", ["k-1-2+9", "k-1-2.1", "k-1-2"], [1, 0, 2]],
  ])("are in GRUB's order: %s", async (_what, names, order) => {
    expect(await orderOf(names)).toEqual(order.map((n) => names[n]));
  });

  it.skipIf(missing("rpm"))("are in rpm's order, like grubby's", async () => {
    const versions = ["5.14.0", "5.14.0.1", "5.14", "5.4.17", "5.014.0", "6.1a", "6.1", "6.1~rc1", "10.0"];
    const script = `print(table.concat({${versions
      .flatMap((a) => versions.map((b) => `rpm.vercmp('${a}','${b}')`))
      .join(",")}}, ' '))`;
    const { stdout } = await localHost().run(["rpm", "--eval", `%{lua:${script}}`]);
    const answers = stdout.trim().split(" ").map(Number);
    for (const [i, a] of versions.entries())
      for (const [j, b] of versions.entries()) {
        const newer = answers[i * versions.length + j];
        if (newer === 0) continue;
        const names = [`${id}-${a}-1`, `${id}-${b}-1`];
        expect(await orderOf(names), `${a} and ${b}`).toEqual(newer === 1 ? names : names.reverse());
      }
  });

  it("are counted by a default number, including rescue kernels", async () => {
    const names = ["ffff-5.14.0-9.el9", "ffff-5.14.0-10.el9", "ffff-5.14.0-11.el9", "9abc-0-rescue"];
    const chosen = async (more: Readonly<Record<string, string>>) => {
      const tree = guestWith(names, more);
      return (await defaultEntry(tree, await bootEntries(tree)))?.title;
    };
    const environment = (saved: string) => ({ "/boot/grub2/grubenv": `saved_entry=${saved}\n` });
    // By their names, the kernels are after the rescue kernel: a number is newer than a letter.
    expect(await chosen(environment("1"))).toBe(names[2]);
    expect(await chosen(environment("3"))).toBe(names[0]);
    expect(await chosen(environment("ffff-5.14.0-9.el9"))).toBe(names[0]);
    expect(await chosen(environment("gone"))).toBe(names[2]);
    expect(await chosen({})).toBe(names[2]);
  });

  it("are chosen by the menu's default before the saved one", async () => {
    const tree = (menu: string) =>
      guestWith(["k-1-1", "k-2-1"], {
        "/boot/grub2/grub.cfg": menu,
        "/boot/grub2/grubenv": "saved_entry=k-1-1\n",
      });
    const chosen = async (menu: string) => {
      const guest = tree(menu);
      return (await defaultEntry(guest, await bootEntries(guest)))?.title;
    };
    const once = `if [ "\${next_entry}" ] ; then\n  set default="\${next_entry}"\nelse\n`;
    expect(await chosen(`${once}  set default="\${saved_entry}"\nfi\n`)).toBe("k-1-1");
    expect(await chosen(`${once}  set default="0"\nfi\n`)).toBe("k-2-1");
    expect(await chosen("set default=1\n")).toBe("k-1-1");
    expect(await chosen("blscfg\n")).toBe("k-1-1");
  });
});
