import { isList, type Value } from "./value.ts";

const secretKey = /(?:passw(?:or)?d|passphrase|secret|token)$/i;
const inside = /((?:^|[,;\s])[\w-]*(?:passw(?:or)?d|passphrase|secret)\s*=\s*)([^,;\s]+)/gi;

/** Whether a key names a secret: `vncpasswd`, `spicepasswd`. */
export function isSecretKey(key: string): boolean {
  return secretKey.test(key);
}

/** A value for printing: in `type=vnc,vncpasswd=x` the x becomes stars. */
export function masked(key: string, value: Value): Value {
  if (isSecretKey(key)) return value === null || value === "" ? value : "***";
  if (typeof value === "string") return value.replaceAll(inside, "$1***");
  if (isList(value)) return value.map((one) => masked("", one));
  if (typeof value === "object" && value !== null)
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, masked(name, one)]));
  return value;
}

/** A value for storing: options that hold a secret are removed, since stars would be a wrong password. */
export function withoutSecrets(key: string, value: Value): Value | undefined {
  if (isSecretKey(key)) return undefined;
  if (typeof value === "string")
    return value
      .split(",")
      .filter((option) => !isSecretKey(option.split("=")[0]?.trim() ?? "") || !option.includes("="))
      .join(",")
      .replaceAll(inside, "");
  if (isList(value)) return value.map((one) => withoutSecrets("", one) ?? null);
  if (typeof value === "object" && value !== null)
    return Object.fromEntries(
      Object.entries(value).flatMap(([name, one]) => {
        const kept = withoutSecrets(name, one);
        return kept === undefined ? [] : [[name, kept]];
      }),
    );
  return value;
}
