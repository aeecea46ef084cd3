import { writeFile } from "node:fs/promises";
import { afterAll } from "vitest";
import { localHost } from "../../src/host/local.ts";
import { openHypervisor } from "../../src/hypervisor/open.ts";
import { packetOf } from "../../src/hypervisor/xen/xenstore.ts";
import { hypervisorContract } from "../contract/hypervisor-contract.ts";
import { testGuest } from "../test-guest.ts";
import { startXenHost, type XenHost, xenSite } from "./xen-host.ts";

let xenHost: XenHost | undefined;
afterAll(() => xenHost?.[Symbol.asyncDispose]());

hypervisorContract("xen", async (folder) => {
  xenHost = await startXenHost();
  const { host, run } = xenHost;
  const places = { folder: `${folder}/machines`, memory: `${folder}/memory` };
  const site = xenSite(xenHost);
  const open = () => openHypervisor(localHost(), site, places);
  await run("mkdir -p /root/apart");
  return {
    hypervisor: await open(),
    reopened: open,
    guest: (script) => testGuest(folder, script, writeFile, ["xen-blkfront", "xen-netfront"], "hvc0"),
    device: (n, slot = n) => `/dev/xvd${"abcd"[slot]}`,
    domainType: "pvm",
    files: { host, folder: "/root/apart" },
    patience: 10,
    crash: async (vm) => void (await run(`xl destroy ${vm}`)),
    messageScript,
  };
});

/** The guest's end by busybox alone, which knows no xenstore: packets of its protocol, written and read as bytes. */
function messageScript(key: string, value: string): string {
  const node = (part: string) => `data/tbuild/${part}`;
  const [write, read] = [11, 2];
  return `exec 3<>/dev/xen/xenbus
ask() { /busybox dd bs=4112 count=1 <&3 >/answer 2>/dev/null; }
printf '${octal(packetOf(write, Buffer.from(`${node(`out/${key}`)}\0${value}`)))}' >&3; ask
until printf '${octal(packetOf(read, Buffer.from(`${node("in/told")}\0`)))}' >&3; ask
  [ "$(/busybox dd if=/answer bs=1 count=1 2>/dev/null | /busybox hexdump -e '1/1 "%d"')" = 2 ]
do /busybox usleep 200000; done
told=$(/busybox dd if=/answer bs=1 skip=16 2>/dev/null)
echo "got $told"
heard=${node("out/heard")}
length=$((\${#heard} + 1 + \${#told}))
printf "\\\\013\\\\000\\\\000\\\\000\\\\000\\\\000\\\\000\\\\000\\\\000\\\\000\\\\000\\\\000\\\\$(printf %03o $length)\\\\000\\\\000\\\\000%s\\\\000%s" "$heard" "$told" >&3; ask
/busybox sleep 3`;
}

function octal(bytes: Uint8Array): string {
  return [...bytes].map((byte) => `\\${byte.toString(8).padStart(3, "0")}`).join("");
}
