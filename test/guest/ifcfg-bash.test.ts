import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { expect, it } from "vitest";
import { freeIfcfg } from "../../src/guest/seal/network-files.ts";

const tied = ["IPADDR", "HWADDR", "UUID", "DHCP_CLIENT_ID", "PREFIX0", "DNS1"];
const free = ["DEVICE", "ONBOOT", "MTU", "NAME"];
const names = fc.constantFrom(...tied, ...free);
const values = fc.constantFrom(
  "10.0.0.5",
  "'a b'",
  '"c d"',
  'x"y z"w',
  "a\\ b",
  "$'q'",
  '"two\nlines"',
  "\\\nnext",
  "'it''s'",
  '"say \\"x\\""',
  "$DEVICE",
  "`echo x`",
  "$(echo y)",
  "",
);
const assignment = fc
  .tuple(fc.constantFrom("", "export ", "  ", "\t", "declare -x "), names, values)
  .map(([before, name, value]) => `${before}${name}=${value}`);
const line = fc.oneof(
  assignment.map((one) => `${one}\n`),
  fc
    .tuple(assignment, fc.constantFrom("; ", " ; ", " && ", " "), assignment)
    .map(([one, sign, other]) => `${one}${sign}${other.trim().replace(/^(?:export|declare -x) /, "")}\n`),
  assignment.map((one) => `if true; then\n${one}\nfi\n`),
  assignment.map((one) => `{ ${one.trim()}; }\n`),
  assignment.map((one) => `${one} # IPADDR=1\n`),
  fc.constantFrom("# HWADDR=1\n", "\n", "  \n", "#\n"),
);

/** What bash makes of each file: its variables, as it quotes them. */
function inBash(texts: readonly string[]): string[] {
  const folder = mkdtempSync(join(tmpdir(), "tbuild-ifcfg-"));
  try {
    texts.forEach((text, at) => {
      writeFileSync(join(folder, `${at}`), text);
    });
    const script = `cd "$1"; for ((n = 0; n < $2; n++)); do ( unset ${[...tied, ...free].join(" ")}; . "./$n" >/dev/null 2>&1 </dev/null || echo failed; for v in ${[...tied, ...free].join(" ")}; do printf '%s=%q;' "$v" "\${!v}"; done ); echo; done`;
    return execFileSync("bash", ["-c", script, "bash", folder, `${texts.length}`], { encoding: "utf8" })
      .trimEnd()
      .split("\n");
  } finally {
    rmSync(folder, { recursive: true });
  }
}

it("bash reads the same from a cleaned ifcfg file, without the removed settings", () => {
  const texts = fc.sample(
    fc.array(line, { minLength: 1, maxLength: 6 }).map((lines) => lines.join("")),
    { numRuns: 400, seed: 17 },
  );
  const freed = texts.map((text) => freeIfcfg(text, new Set()).text);
  const [before, after] = [inBash(texts), inBash(freed)];
  expect(before.filter((one) => /(?:^|;)(?:IPADDR|HWADDR)=[^';]/.test(one)).length).toBeGreaterThan(100);
  for (const [at, text] of texts.entries()) {
    const wanted = (before[at] ?? "").replaceAll(
      new RegExp(`(^|;)(${tied.join("|")})=[^;]*(?=;)`, "g"),
      "$1$2=''",
    );
    expect(after[at], JSON.stringify({ text, freed: freed[at], before: before[at] })).toBe(wanted);
  }
});
