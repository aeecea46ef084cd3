import type { Findings } from "./findings.ts";
import type { ReadLine } from "./read-line.ts";

// These mean the device that the installation uses.
const first = new Set([undefined, "link", "bootif", "ibft"]);

/** `network`: a NIC of the recipe. Its address is configured at first boot. */
export function takeNetwork(read: ReadLine, found: Findings): void {
  const device = read.option("device");
  const members = read
    .list("bondslaves", "bridgeslaves", "teamslaves")
    .flatMap((one) => /^[A-Za-z][\w.-]*/.exec(one) ?? []);
  const addressed = ["ip", "netmask", "gateway", "nameserver", "hostname"].filter((name) => read.has(name));
  if (addressed.length > 0) found.leave(read, "a clone gets its address and host name at first boot");
  const virtual = members.length > 0 || read.has("vlanid");
  if (virtual)
    found.leave(read, "a recipe has plain NICs only; configure bonds, bridges and VLANs in a clone");
  const names = virtual && members.length > 0 ? members : [device];
  // A line with only a host name is not about a NIC.
  if (device === undefined && !virtual && !read.has("bootproto") && !read.has("ip")) {
    if (addressed.length === 0) found.leave(read, "it names no NIC");
    return;
  }
  for (const name of names) {
    const nic = first.has(name) ? "" : String(name).replace(/\.\d+$/, "");
    found.nics.add(nic);
    takeState(read, virtual ? undefined : name, [...found.nics].indexOf(nic), found);
  }
  if (found.nics.size > 8) found.leave(read, "a template has at most 8 NICs");
}

/** Whether a NIC is up. In a template, only the first one is, by DHCP. */
function takeState(read: ReadLine, device: string | undefined, index: number, found: Findings): void {
  const own = `eth${index}`;
  const up = index === 0;
  const onboot = read.option("onboot")?.toLowerCase();
  const same = ["noipv6"];
  if ((read.option("bootproto") ?? "dhcp") === "dhcp") same.push("bootproto");
  else found.leave(read, "a template gets its first address by DHCP");
  if (onboot === undefined || /^(yes|on|true|1)$/.test(onboot) === up) same.push("onboot");
  else
    found.leave(read, `${own} of a template is ${up ? "up" : "not up"} at boot, and its first boot decides`);
  if (read.has("activate", "no-activate"))
    found.leave(read, `${own} is ${up ? "up" : "not up"} while tbuild installs`);
  if (first.has(device) || device === own) same.push("device");
  else found.leave(read, `${device} is ${own} of the template`);
  found.asAnyway(read.part(...same));
}
