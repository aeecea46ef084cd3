import { describe, expect, it } from "vitest";
import { tellsOfGuest } from "../../src/guest/residue.ts";

const tells = (text: string) => tellsOfGuest(Buffer.from(text.padEnd(4096, "\0"), "latin1"));

describe("a free block", () => {
  it.each([
    "DEVICE=eth0\r\nHWADDR='52:54:00:12:34:56'\r\n",
    "  export IPADDR2=10.0.0.5\n",
    "DHCP_CLIENT_ID=01:52:54:00\n",
    "[ethernet]\ncloned-mac-address = 52:54:00:AA:BB:CD\n",
    "[ipv4]\naddress1 = 192.0.2.11/24\n",
    "[ipv4]\ndhcp-iaid=16909060\n",
    "lease6 {\n",
    "export HOSTNAME='build7'\n",
    "-----BEGIN PRIVATE KEY-----\nMII",
    "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMII",
    "LPKSHHRH\0\0",
    "0123456789abcdef0123456789abcdef\n",
  ])("tells of a guest: %j", (text) => expect(tells(text)).toBe(true));

  it.each([
    "[ethernet]\ncloned-mac-address=stable\n",
    "[ipv4]\ndhcp-client-id=duid\nmethod=auto\n",
    "HOSTNAME=localhost.localdomain\n",
    "HWADDR=\n",
    "an address = a place\n",
    "-----BEGIN CERTIFICATE-----\nMII",
  ])("tells of none: %j", (text) => expect(tells(text)).toBe(false));
});
