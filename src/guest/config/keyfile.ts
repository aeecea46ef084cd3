/** One `key=value` line of a keyfile. */
export interface KeyfileEntry {
  /** The name of its group; empty before the first group. */
  readonly group: string;
  readonly key: string;
  readonly value: string;
  /** The range of the whole line, including its end. */
  readonly start: number;
  readonly end: number;
  /** The range of the value. */
  readonly valueStart: number;
  readonly valueEnd: number;
}

/**
 * The entries of a keyfile, as GLib's GKeyFile reads one (docs.gtk.org/glib/struct.KeyFile.html): blanks are allowed
 * before a line and around `=`, `#` starts a comment, and a line may end in CR-LF. systemd's files (systemd.syntax(7))
 * and NetworkManager's are of this kind; a `;` starts a comment in systemd's. Other lines are skipped.
 */
export function keyfileEntries(text: string): KeyfileEntry[] {
  const entries: KeyfileEntry[] = [];
  let group = "";
  for (let start = 0; start < text.length; ) {
    const newline = text.indexOf("\n", start);
    const end = newline < 0 ? text.length : newline + 1;
    const line = text.slice(start, end).replace(/\r?\n$|\r$/, "");
    const found = line.trimStart();
    const equals = line.indexOf("=");
    if (found.startsWith("[")) group = groupIn(found) ?? group;
    else if (!/^[#;=]/.test(found) && equals > 0) {
      const value = line.slice(equals + 1).trimStart();
      const valueEnd = start + line.length;
      const key = line.slice(0, equals).trim();
      entries.push({ group, key, value, start, end, valueStart: valueEnd - value.length, valueEnd });
    }
    start = end;
  }
  return entries;
}

function groupIn(line: string): string | undefined {
  const close = line.indexOf("]");
  return close > 0 && line.slice(close + 1).trim() === "" ? line.slice(1, close) : undefined;
}
