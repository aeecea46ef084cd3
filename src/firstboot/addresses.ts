// This file also runs in the browser, where there is no node:net. A test compares the two.

export function isIp(value: string): boolean {
  return isIpv4(value) || isIpv6(value);
}

export function isIpv4(value: string): boolean {
  const parts = value.split(".");
  return (
    parts.length === 4 && parts.every((part) => /^(?:0|[1-9]\d{0,2})$/.test(part) && Number(part) <= 255)
  );
}

export function isIpv6(value: string): boolean {
  const [address = "", zone, ...more] = value.split("%");
  if (more.length > 0 || (zone !== undefined && !/^[\w.:-]+$/.test(zone))) return false;
  const halves = address.split("::");
  if (halves.length > 2) return false;
  const groups = halves.flatMap((half) => (half === "" ? [] : half.split(":")));
  const last = groups.at(-1) ?? "";
  const embedded = last.includes(".");
  if (embedded && (!isIpv4(last) || address.endsWith("::"))) return false;
  const hex = embedded ? groups.slice(0, -1) : groups;
  if (!hex.every((group) => /^[\da-f]{1,4}$/i.test(group))) return false;
  const count = hex.length + (embedded ? 2 : 0);
  return halves.length === 2 ? count < 8 : count === 8;
}

export function isNetmask(value: string): boolean {
  return isIpv4(value) && /^1+0*$/.test(toNumber(value).toString(2).padStart(32, "0"));
}

/** The netmask of a prefix length. */
export function netmaskOf(bits: number): string {
  const mask = bits === 0 ? 0 : 2 ** 32 - 2 ** (32 - bits);
  return [24, 16, 8, 0].map((shift) => Math.floor(mask / 2 ** shift) % 256).join(".");
}

/** The number of an IPv4 address. */
export function toNumber(address: string): number {
  return address.split(".").reduce((sum, part) => sum * 256 + Number(part), 0);
}
