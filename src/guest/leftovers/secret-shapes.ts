import { privateKeyIn } from "./private-keys.ts";
import { readableForms } from "./readable-forms.ts";

/** The kind of secret in a file, such as "a private key"; `undefined` if there is none. */
export function secretIn(data: Buffer, text: string, forms = readableForms(text)): string | undefined {
  const key = privateKeyIn(data, text, forms);
  if (key !== undefined) return key;
  if (isKeyStore(data)) return "a key store with a private key";
  if (isKeytab(data)) return "a Kerberos keytab";
  if (isCore(data)) return "a core dump";
  if (text.startsWith("b0VIM ")) return "a swap file of vi";
  if (data.subarray(0, 8192).includes(0)) return undefined;
  if (passwordHash.test(text)) return "a password hash";
  if (/^[ \t]*rootpw[ \t]+(?!--lock[ \t]*$)\S/m.test(text)) return "a root password";
  if (hasLogin(text)) return "a login in an address";
  const token = tokenShape.exec(text)?.[0];
  return token !== undefined && !/EXAMPLE|0{12}|x{12}/i.test(token)
    ? `a token (${token.slice(0, 4)}…)`
    : undefined;
}

/** The kind of secret by file name, and for keys by content; `undefined` for most files. */
export function secretNamed(name: string, text = ""): string | undefined {
  // Oracle's password file of an instance, and wallets.
  if (/^orapw\w+$/.test(name)) return "a password file of Oracle Database";
  if (/^(?:cwallet\.sso|ewallet\.p12)$/.test(name)) return "an Oracle wallet";
  if (/\.keytab$/i.test(name)) return "a Kerberos keytab";
  if (/\.key$/.test(name) && !/PUBLIC KEY|BEGIN CERTIFICATE/.test(text)) return "a key, by its name";
  return secretName.test(name) &&
    !/\.(?:[jt]s|py[co]?|rb|pl|php|java|html?|md|rst|txt\.gz|so|service|socket|target|timer|pub|crt|cer|conf|cfg|ya?ml|json|rules|policy|list|db\.gz|repo)$/i.test(
      name,
    )
    ? "a secret, by its name"
    : undefined;
}

// Files in which programs keep a single key or password: authkey, .htpasswd, TSM.PWD, x.kdb, x.keystore, master.key, x.secret,
// hs_ed25519_secret_key.
const secretName =
  /^(?:[\w.-]*[._-])?(?:auth_?keys?|htpasswd|htdigest|secret|secrets|passwords?|passphrase|vault_?pass(?:word)?|[\w]*prvkey\.bin|cookiesecret|erlang\.cookie|node-token|token|private_key\.json|psk\.txt|pin\.txt|unseal-?keys?)$|^(?:[\w.-]+\.(?:PWD|pwd|psk|kdb|jks|jceks|keystore|secret|passwd|kdbx|agekey|keyfile))$|^[\w.-]*[_-](?:password|passwd|secret|token)$|^\.?(?:password|passwd|secret|token)s?\.(?:txt|db)$|^(?:admin|root)\.password$|^key[34]\.db$|^(?:[\w.-]*[._-])?(?:secret|private)(?:_[a-z\d]+)*_key(?:_[a-z\d]+)*$/;

/** Password hashes of crypt(3), Apache, LDAP and GRUB, as a separate word with a salt. */
const passwordHash =
  /\$(?:1|apr1)\$[./\w]{1,8}\$[./\w]{20,22}(?![./\w])|\$2[abxy]\$\d\d\$[./\w]{53}|\$(?:5|6)\$(?:rounds=\d+\$)?[./\w]{1,16}\$[./\w]{43,86}|\$(?:y|gy|7)\$[./\w]+\$[./\w]{1,86}\$[./\w]{43}|\{(?:S?SHA(?:256|384|512)?|S?MD5|CRYPT|PBKDF2[\w-]*)\}[\w+/$.=]{8}|grub\.pbkdf2\.sha512\.\d+\.\w/;

// https://user:word@host, except for words of manuals and variables.
function hasLogin(text: string): boolean {
  if (!text.includes("://")) return false;
  for (const [, user = "", word = ""] of text.matchAll(
    /\b[a-z][a-z0-9+.-]{1,20}:\/\/([^\s:/@"'<>]{1,100}):([^\s:/@"'<>]{1,200})@(?!(?:localhost|127\.|host(?:name)?\b|server\b|[\w.-]*\bexample\.))[\w[]/gi,
  ))
    if (
      !/^(?:user(?:name)?|name|login|foo|me|u)$/i.test(user) &&
      !/^(?:pass(?:word)?|pw|secret|\*+|x+|\.+)$|[$%{}]/i.test(word)
    )
      return true;
  return false;
}

/** A Java key store whose first entry is a private key, or a PKCS#12 with a shrouded key bag (RFC 7292, 4.2.2). */
function isKeyStore(data: Buffer): boolean {
  if (data.length > 16 && data.readUInt32BE(0) === 0xfeedfeed) return data.readUInt32BE(12) === 1;
  if (data.length > 64 && data[0] === 0x30 && (data[1] ?? 0) >= 0x80 && data.length < 1024 * 1024)
    return data.includes(shroudedKeyBag) || data.includes(keyBag);
  return false;
}

const keyBag = Buffer.from("060b2a864886f70d010c0a0101", "hex");
const shroudedKeyBag = Buffer.from("060b2a864886f70d010c0a0102", "hex");

// ELF (elf(5)): e_type is ET_CORE, in the byte order that e_ident says.
function isCore(data: Buffer): boolean {
  if (data.length < 20 || data.readUInt32BE(0) !== 0x7f454c46) return false;
  return (data[5] === 2 ? data.readUInt16BE(16) : data.readUInt16LE(16)) === 4;
}

// MIT's keytab: version 5.2, then entries, each after its length.
function isKeytab(data: Buffer): boolean {
  if (data.length < 30 || data[0] !== 5 || data[1] !== 2) return false;
  const bytes = data.readInt32BE(2);
  const components = data.readUInt16BE(6);
  return bytes > 0 && bytes + 6 <= data.length && components > 0 && components < 8;
}

/** Tokens with a recognisable form. */
const tokenShape = new RegExp(
  [
    "\\bAKIA[0-9A-Z]{16}\\b",
    "\\bgh[pousr]_[A-Za-z0-9]{36}",
    "\\bgithub_pat_[A-Za-z0-9_]{50}",
    "\\bglpat-[\\w-]{20}",
    "\\bxox[abprs]-\\d[\\w-]{20}",
    "\\bAIza[\\w-]{35}\\b",
    "\\bnpm_[A-Za-z0-9]{36}",
    "\\bpypi-AgEIcHlwaS5vcmc[\\w-]{40}",
    "\\bhvs\\.[\\w-]{24}",
    "\\bsk_live_[A-Za-z0-9]{20}",
    "\\bdop_v1_[a-f0-9]{64}",
    "\\beyJ[\\w-]{10,500}\\.eyJ[\\w-]{10,4000}\\.[\\w-]{20}",
    "\\s-secret[ \\t]+[\\da-f]{64}\\b",
    // A seed of NATS's NKeys, of any kind.
    "\\bS[ACNOUX][A-Z2-7]{56}\\b",
    "\\bocid1\\.instance\\.oc\\d+\\.[\\w.-]{30}",
  ].join("|"),
);
