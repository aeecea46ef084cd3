const mask = "***";

/** A configuration text with its secrets masked; `undefined` if the whole text is a secret. */
export function maskSecrets(text: string): string | undefined {
  if (/-----BEGIN [A-Z ]*PRIVATE KEY/.test(text)) return undefined;
  return text
    .split("\n")
    .map((line) => shapes.reduce((masked, [shape, instead]) => masked.replace(shape, instead), line))
    .join("\n");
}

// It masks too much rather than too little, because the text only shows changes.
const shapes: readonly (readonly [RegExp, string])[] = [
  // password = x, "secret": "x", export API_TOKEN=x; not `passwd: files`, as nsswitch.conf has it
  [
    /((?:pass(?:word|phrase)?|passwd(?=["']?\s*=)|pwd|secret|token|credentials?|community|(?:api|access|private|shared|auth)[-_]?key)["']?\s*[=:]\s*)\S.*$/i,
    `$1${mask}`,
  ],
  // the same without a sign between, as ntp, snmp and ldap write it: `bindpw x`, `rocommunity x`
  [/^(\s*(?:bindpw|rootpw|rocommunity6?|rwcommunity6?|requirepass)\s+)\S.*$/i, `$1${mask}`],
  // https://user:word@host
  [/(\w:\/\/[^\s:/@]*:)[^\s@/]+@/g, `$1${mask}@`],
  // a crypted password
  [/\$(?:1|2[abxy]?|5|6|7|y|gy)\$[^\s:"']+/g, mask],
];
