import { z } from "zod";

export const ipv4 = z.string().regex(/^\d{1,3}(\.\d{1,3}){3}$/, "an IPv4 address such as 192.168.77.1");

export const sshAddress = z.string().regex(/^[^\s-][^\s]*$/, "an address for ssh, such as root@dom0");

export const trialAddressesMeaning =
  "Addresses on the network `build`, outside the range of its DHCP server.";

/** Addresses for the clones of boot trials, outside the range of the network's own DHCP server. */
export const trialAddresses = z
  .strictObject({
    first: ipv4.describe("The first of the addresses that boot trials give to their clones."),
    netmask: ipv4.default("255.255.255.0").describe("The netmask of that network."),
    gateway: ipv4.describe("The gateway of the clones."),
    nameServer: ipv4.describe("The name server of the clones."),
  })
  .describe(trialAddressesMeaning);
