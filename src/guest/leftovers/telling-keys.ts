/**
 * A secret or an id in a configuration file, found by the class of its key: `db.password = x`, `"agentId":
 * "…"`, `<AgentGUID>…</AgentGUID>`, `requirepass x`. Returns words such as "a secret (db.password)";
 * `undefined` if there is none. `volumes` are the ids of file systems, in small letters and without hyphens,
 * which clones share on purpose.
 */
export function tellingKeyIn(
  path: string,
  text: string,
  volumes: ReadonlySet<string> = new Set(),
): string | undefined {
  if (!isConfiguration(path) || text.length > mostCharacters || !anyTelling.test(text)) return undefined;
  if (text.lastIndexOf("\0", 8192) >= 0) return undefined;
  let id: string | undefined;
  for (const [key, value] of pairsIn(withoutComments(text))) {
    const name = wordsOf(key);
    if (secretKey.test(name) && isSecretValue(name, value)) return `a secret (${key})`;
    const isIdKey = idKey.test(name) || (name === "id" && text.length <= mostOfState && uuid.test(value));
    if (id === undefined && isIdKey && isId(name, value, volumes)) id = `an id (${key})`;
  }
  return id;
}

/** A file that contains only an id or a key; `undefined` for all others. */
export function soleIdIn(path: string, text: string): string | undefined {
  if (text.length > 2048 || /\/\.git\/|\.(?:md5|sha\d*|asc|sig|sum|srl|crl)$/i.test(path)) return undefined;
  const word = text.replace(/\0+$/, "").trim();
  if (uuid.test(word) || (hexId.test(word) && /[a-f]/i.test(word) && /\d/.test(word)))
    return isNobodys(word) ? undefined : `an id or a key (${word.replace(/^\{/, "").slice(0, 4)}…)`;
  const lines = word.split(/\r?\n/);
  const isOne = lines.length === 1 ? /^[\w+/]{20,}={0,2}$/ : /^[\w+/]{32,}={0,2}$/;
  if (!lines.every((line) => isOne.test(line)) || word.startsWith("/")) return undefined;
  const isRandom = /[a-z]/.test(word) && /[A-Z]/.test(word) && /\d/.test(word) && spread(word) > 14;
  return isRandom ? `a key or a token (${word.slice(0, 2)}…)` : undefined;
}

/** Longer texts are data. */
const mostCharacters = 1024 * 1024;

/** A file that is larger has more ids than that of this machine. */
const mostOfState = 2048;

const uuid = /^\{?[\da-f]{8}-(?:[\da-f]{4}-){3}[\da-f]{12}\}?$/i;
const hexId =
  /^(?:0x)?(?:[\da-f]{16}|[\da-f]{24}|[\da-f]{32}|[\da-f]{40}|[\da-f]{48}|[\da-f]{64}|[\da-f]{128})$/i;

// Programs, documents and the system's own switches, in which such words are names, not values.
function isConfiguration(path: string): boolean {
  return (
    !/\.(?:[jt]sx?|mjs|map|py[cox]?|rb|erb|pl|pm|php|java|jsp|class|c|cc|cpp|h|hpp|go|rs|lua|tcl|vim|el|html?|css|less|md|rst|adoc|txt\.gz|po|pot|mo|xsd|dtd|xsl|wsdl|svg|tmpl|template|j2|epp|awk|m4|spec|sql|te|fc|if|pp|sample|example|dist|default|log)$/i.test(
      path,
    ) &&
    !/^\/etc\/(?:pam\.d|pam\.conf|authselect|selinux|security|alternatives|rc\d?\.d|init\.d|profile\.d|bash_completion\.d|services|protocols|login\.defs|nsswitch\.conf|fstab|mtab|crypttab|default\/grub|kernel|tbuild-release|sysconfig\/(?:network-scripts|networking|authconfig)|NetworkManager\/system-connections|magic|mime\.types|ssl\/openssl\.cnf|pki\/tls\/(?:openssl|ct_log_list)\.cnf|X11|udev|systemd\/network(?!\/[^/]+\.netdev$))(?:\/|$|\.)/.test(
      path,
    ) &&
    !/^\/boot\//.test(path) &&
    !/\/(?:doc|docs|man|examples?|samples?|locale|test|tests|site-packages|node_modules|gems|\.git)\//.test(
      path,
    )
  );
}

const anyTelling =
  /pass|secret|token|pwd|psk|bindpw|rootpw|credential|key|guid|uuid|fsid|seed|(?:id|ID|Id)["']?\s*[=:>]|[ -_]id\b/i;

function* pairsIn(text: string): Generator<readonly [string, string]> {
  // key = value, "key": "value", key: value, key="value", <key>value<, key=>"value"
  for (const [, key = "", quoted, single, bare] of text.matchAll(
    /(?<![\w.\-/@])["'<]?([A-Za-z_][\w.\-/]{1,80})["']?[ \t]*(?:=>|:=|::?|=|>)[ \t]*(?:"([^"\n]{0,400})"|'([^'\n]{0,400})'|(\{[^\s"'<>,;(){}[\]&]{1,400}\}|[^\s"'<>,;(){}[\]&]{1,400}))/g,
  ))
    yield* [[key, (quoted ?? single ?? bare ?? "").trim()] as const, ...quotedPair(quoted ?? single)];
  // key value, key "value";
  for (const [, key = "", quoted, bare] of text.matchAll(
    /(?:^|[{;])[ \t]*(?:set[ \t]+)?([A-Za-z_][\w.-]{1,60})[ \t]+(?:"([^"\n]{1,400})"|([^\s"'#;{}=]{1,400}))[ \t]*(?=;|\r?$|\})/gm,
  ))
    yield [key, quoted ?? bare ?? ""];
}

// Environment="PASSWORD=x", as units of systemd and `docker run` arguments have it.
function quotedPair(quoted = ""): (readonly [string, string])[] {
  const [, key, value = ""] = /^([A-Za-z_]\w{1,80})=(.{1,400})$/.exec(quoted.trim()) ?? [];
  return key === undefined ? [] : [[key, value]];
}

/** `proxyPassword` and `PROXY-PASSWORD` as `proxy_password`. */
function wordsOf(key: string): string {
  return key
    .replaceAll(/([a-z\d])([A-Z])/g, "$1_$2")
    .replaceAll(/[.\-/]+/g, "_")
    .toLowerCase();
}

const secretKey =
  /(?:^|_)(?:[a-z]*pass(?:w(?:or)?d|phrase)?|[a-z]*pwd|[a-z]*secret(?:_?(?:key|token|access_key))?|[a-z]*token|[a-z]*(?:api|access|auth|license|account|private|priv|shared|encryption|encrypt|master|pre_?shared|tenant|symm|admin)_?key|psk|bindpw|rootpw|olc_?root_?pw|rocommunity|rwcommunity|requirepass|masterauth|(?:credential|auth)s?|authtok|_auth|pin|[a-z]*key_data)$|^key$/;

const openTokens = /(?:token|key|auth|credentials?|pin)$/;

const idKey =
  /(?:^|_)(?:[a-z]*(?:uuid|guid)|fsid|(?:[a-z]+_)*(?:host|agent|node|machine|device|client|instance|server|sensor|system|hardware|hw|computer|activation|installation|install|org|tenant|registration|cluster|member|endpoint|dev)_?u?id|server_?uid|vbr_?server_?uid|sensor_?id|agent_?seed)$/;

// Written by a person: not a switch, a word of a manual, a variable or a path.
function isSecretValue(name: string, value: string): boolean {
  if (
    value.length < 4 ||
    /^[$%@<~/*!?]|^\$?\{|\$\{|\{\{|^\w+:\/{2,3}|^(?:file|env|vault|ENC|data|pass):|^ENC\[|\(/.test(value)
  )
    return false;
  if (
    /^(?:x+|\*+|\.+|-+|none|null|nil|undef|undefined|true|false|yes|no|on|off|required|optional|sufficient|requisite|include|substack|files?|compat|sss|secret|passw(?:or)?d|passphrase|pwd|change_?me.*|(?:<|your|my|insert|enter|put|some|the|new|old)[-_ <].*|your.*|.*example.*|todo|default|prompt|ask|env|plain|crypt|md5|sha\d+|disabled|enabled|never|always|basic|digest|ident|trust|reject|peer|scram.*|public|private|test|foo|bar|token|key|empty|hidden|redacted|encrypted|placeholder|\d{1,3}[smhd]?)$/i.test(
      value,
    )
  )
    return false;
  // The key of an entry, such as `{"key": "org.tbuild.hosts.entry.0"}`.
  if (name === "key" && /^[a-z][a-z\d-]*(?:\.[a-z\d-]+){2,}$/.test(value)) return false;
  if (openTokens.test(name) && !/(?:^|_)rootpw$/.test(name))
    return (
      value.length >= (name === "key" ? 16 : 8) &&
      /\d/.test(value) &&
      /[A-Za-z]/.test(value) &&
      (!/\.[a-z]{2,4}$|\//.test(value.replace(/=+$/, "")) || isRandomBase64(value))
    );
  return !/\s/.test(value) || /[\d]/.test(value);
}

function isId(name: string, value: string, volumes: ReadonlySet<string>): boolean {
  const bare = value.replace(/^(?:\{|urn:uuid:|0x)/i, "").replace(/\}$/, "");
  if (uuid.test(bare) || (hexId.test(bare) && /\d/.test(bare)))
    return !isNobodys(bare) && !volumes.has(bare.toLowerCase().replaceAll("-", ""));
  if (isRandomWord(bare)) return true;
  // Numbers, if the key says whose they are.
  return (
    /(?:sensor|agent|computer|device)_?id$|agent_?seed$/.test(name) &&
    /^\d{4,}$/.test(bare) &&
    !/^0+$/.test(bare)
  );
}

// As a node of Docker Swarm has it, or a ULID: letters and digits of one case, mixed.
function isRandomWord(id: string): boolean {
  if (!/^(?:[a-z\d]{20,64}|[A-Z\d]{20,64})$/.test(id)) return false;
  return (id.match(/[a-z](?=\d)|\d(?=[a-z])/gi) ?? []).length >= 6 && spread(id) >= 10;
}

function isNobodys(id: string): boolean {
  return /^(.)\1*$/.test(id.replaceAll(/[-{}]/g, ""));
}

// Base64 contains slashes, too; a path has words between them.
function isRandomBase64(value: string): boolean {
  return (
    /^[A-Za-z\d][A-Za-z\d+/]{35,}={0,2}$/.test(value) &&
    [/[a-z]/, /[A-Z]/, /\d/].every((one) => one.test(value)) &&
    spread(value) > 20
  );
}

function spread(text: string): number {
  return new Set(text).size;
}

function withoutComments(text: string): string {
  return withoutXmlComments(text).replaceAll(/^[ \t]*(?:#|;|\/\/|!|\*|\/\*|--|REM\b|dnl\b).*$/gm, "");
}

/** In one pass: a pattern would search for the end of each unclosed comment. */
export function withoutXmlComments(text: string): string {
  const parts: string[] = [];
  let from = 0;
  for (let at = text.indexOf("<!--"); at >= 0; at = text.indexOf("<!--", from)) {
    const end = text.indexOf("-->", at + 4);
    if (end < 0) break;
    parts.push(text.slice(from, at));
    from = end + 3;
  }
  parts.push(text.slice(from));
  return parts.join("");
}
