import type { GuestTree } from "../../image/tree.ts";
import type { Operation } from "../operation.ts";
import { editsAll } from "./edit.ts";

/** Makes kernel updates keep a paravirtual kernel as the default. */
export const defaultKernel: Operation = {
  name: "default-kernel",
  summary: "Name the Xen kernel in /etc/sysconfig/kernel, where the guest has one",
  needs: "files",
  async pending(tree) {
    const text = await tree.text(file);
    return text !== undefined && (await withXenKernel(tree, text)) !== text ? [file] : [];
  },
  async apply(tree) {
    const text = await tree.text(file);
    if (text !== undefined) await tree.write(file, await withXenKernel(tree, text));
  },
};

/** kernel-xen of OL5 finds its disk and network drivers by these names. The aliases for HVM are kept. */
export const modprobeAliases: Operation = editsAll({
  name: "modprobe-aliases",
  summary: "Name the drivers of the Xen disk and network in /etc/modprobe.conf",
  changes: [{ path: "/etc/modprobe.conf", change: withAliases }],
});

const file = "/etc/sysconfig/kernel";

async function withXenKernel(tree: GuestTree, text: string): Promise<string> {
  const versions = await tree.list("/lib/modules");
  const name = versions.some((version) => version.endsWith("xen"))
    ? "kernel-xen"
    : versions.some((version) => /uek/.test(version)) && "kernel-uek";
  return name ? text.replace(/^DEFAULTKERNEL=.*$/m, `DEFAULTKERNEL=${name}`) : text;
}

function withAliases(text: string): string {
  const eth = /^alias\s+eth0\s/m.test(text) ? "" : "alias eth0 xennet\n";
  const disk = /^alias\s+scsi_hostadapter\w*\s+xenblk/m.test(text) ? "" : "alias scsi_hostadapter9 xenblk\n";
  return `${text}${text === "" || text.endsWith("\n") ? "" : "\n"}${eth}${disk}`;
}
