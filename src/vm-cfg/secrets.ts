import { isList, type Value } from "./value.ts";

const names = "passw(?:or)?d|passphrase|secret|token|rootpw";
const secretKey = new RegExp(`(?:${names})$`, "i");
// A value ends at a comma or before the next key: passwords may contain blanks.
const inside = new RegExp(
  String.raw`((?:^|[,;]\s*|\s)[\w.-]*(?:${names})\s*=\s*)("[^"]*"|'[^']*'|[^,;\s][^,;]*?(?=$|[,;]|\s[\w.-]{1,40}=))`,
  "gi",
);
const inAddress = /(\b[a-z][\w+.-]{0,20}:\/\/)([^\s/@:,]{0,100}:)[^\s/@,]{1,200}@/gi;

/** Whether a key names a secret: `vncpasswd`, `spicepasswd`. */
export function isSecretKey(key: string): boolean {
  return secretKey.test(key);
}

/** A value for printing: in `type=vnc,vncpasswd=x` the x becomes stars. */
export function masked(key: string, value: Value): Value {
  if (isSecretKey(key)) return value === null || value === "" ? value : "***";
  if (typeof value === "string") return value.replaceAll(inside, "$1***").replaceAll(inAddress, "$1$2***@");
  if (isList(value)) return value.map((one) => masked("", one));
  if (typeof value === "object" && value !== null)
    return Object.fromEntries(Object.entries(value).map(([name, one]) => [name, masked(name, one)]));
  return value;
}

/** A value for storing: options that hold a secret are removed, since stars would be a wrong password. */
export function withoutSecrets(key: string, value: Value): Value | undefined {
  if (isSecretKey(key)) return undefined;
  if (typeof value === "string") {
    const kept = value.replaceAll(inside, "");
    const isSame = kept.length === value.length;
    const text = isSame ? value : kept.replace(/^[,;\s]+/, "");
    return text.replaceAll(inAddress, "$1");
  }
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
