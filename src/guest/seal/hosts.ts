import type { Identity } from "../identity.ts";

/**
 * A hosts file without the guest's own lines (hosts(5): an address, its names, a comment after `#`). In a loopback
 * line, only the guest's name is removed, because `localhost` must stay.
 */
export function withoutOwnNames(
  text: string,
  { hostname, addresses }: Pick<Identity, "hostname" | "addresses">,
): string {
  const own = new Set(ownNames(hostname));
  const isOwn = (name: string) => own.has(name.toLowerCase());
  if (own.size === 0 && addresses.length === 0) return text;
  return text
    .split(/(?<=\n)/)
    .map((line) => {
      const [, entry = "", rest = ""] = /^([^#\r\n]*)(.*)$/s.exec(line) ?? [];
      const [address = "", ...names] = entry.trim().split(/\s+/);
      if (address === "") return line;
      if (!/^127\.|^::1$/.test(address)) return addresses.includes(address) || names.some(isOwn) ? "" : line;
      if (!names.some(isOwn)) return line;
      if (names.every(isOwn)) return "";
      const kept = entry.replace(/\s+\S+/g, (word) => (isOwn(word.trim()) ? "" : word));
      return `${kept}${rest}`;
    })
    .join("");
}

/** A host name and its first part in lower case; nothing for `localhost`. */
export function ownNames(hostname: string | undefined): string[] {
  const name = hostname?.toLowerCase().replace(/\.$/, "");
  if (name === undefined || name === "" || /^localhost(?:\d*\.localdomain\d*)?$/.test(name)) return [];
  return [...new Set([name, name.replace(/\..*/, "")])].filter((one) => one !== "localhost");
}
