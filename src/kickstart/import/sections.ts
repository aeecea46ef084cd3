import { majorOf, Recipe } from "../../recipe/recipe.ts";
import type { KickstartPart } from "../part.ts";
import type { Findings } from "./findings.ts";
import { leaveRest, readLine } from "./read-line.ts";

/** Converts the packages of `%packages`, and every `%post` that bash can run in the guest. */
export function takeSection(part: KickstartPart, found: Findings): void {
  if (part.name === "%packages") takePackages(part, found);
  else if (part.name === "%post") takePost(part, found);
  else if (/^\s*%addon\s+com_redhat_kdump\s+--disable\s*$/.test(part.text) && isEmpty(part))
    found.asAnyway(part);
  else if (part.name === "%addon" || part.name === "%anaconda") leaveLines(part, found);
  else
    found.leave(
      part,
      part.name.startsWith("%pre")
        ? `tbuild has its own %pre, which chooses the disk${extent(part)}`
        : `a recipe has no key for this section${extent(part)}`,
    );
}

function isEmpty(part: KickstartPart): boolean {
  return part.body.every((line) => /^\s*(#|$)/.test(line));
}

function leaveLines(part: KickstartPart, found: Findings): void {
  found.leave(part, "a recipe has no key for this section");
  for (const [index, text] of part.body.entries())
    if (!/^\s*(#|$)/.test(text))
      found.leave({ line: part.line + 1 + index, text }, `it belongs to ${part.name}`);
}

function takePackages(part: KickstartPart, found: Findings): void {
  const read = readLine(part, majorOf(found.release));
  if (read === undefined) found.leave(part, "a quotation mark is not closed");
  else {
    found.asAnyway(read.part("ignoremissing"));
    leaveRest(read, found);
  }
  for (const [index, raw] of part.body.entries())
    takePackage({ line: part.line + 1 + index, text: raw }, found);
}

function takePackage(from: { line: number; text: string }, found: Findings): void {
  const entry = from.text.replace(/#.*/, "").trim();
  const word = entry.replace(/\s--\S+/g, "").trim();
  if (word === "") return;
  if (word !== entry) found.leave(from, "a recipe installs a group with its default packages");
  if (/^\s*%/.test(from.text)) {
    found.leave(from, "the content of the other file is not known here");
    return;
  }
  if (/^@\s*core$/i.test(word) || word === "openssh-server") {
    found.asAnyway({ line: from.line, text: word });
    return;
  }
  if (word.startsWith("-")) {
    takeExclusion(word.slice(1).trim(), from, found);
    return;
  }
  const name = word.replace(/^@\s+/, "@");
  if (majorOf(found.release) <= 6 && name.startsWith("@^"))
    found.leave(from, `${found.release} has no environments`);
  else if (majorOf(found.release) <= 7 && /^@[^:]+:/.test(name))
    found.leave(from, `${found.release} has no modules`);
  else if (!Recipe.shape.packages.safeParse({ base: [name] }).success)
    found.leave(from, "not a package name");
  else {
    found.dropName("packages", "exclude", name, `line ${from.line} installs it, and wins`);
    if (name === "kernel-uek" && found.scalars.kernel === "rhck") {
      delete found.scalars.kernel;
      found.leave(found.standingOf("kernel") ?? from, `line ${from.line} installs it, and wins`);
    }
    found.addName("packages", "base", name, from);
  }
}

function takeExclusion(name: string, from: { line: number; text: string }, found: Findings): void {
  if (/^kernel-uek\*?$/.test(name)) {
    if (found.scalars.kernel !== undefined) found.leave(from, "it is excluded already");
    found.say("kernel", "rhck", from);
    found.dropName("packages", "base", "kernel-uek", `line ${from.line} excludes it, and wins`);
  } else if (/^openssh-server/.test(name)) found.leave(from, "tbuild logs in by ssh");
  else if (name === "NetworkManager" && majorOf(found.release) >= 8)
    found.leave(from, "this release needs NetworkManager for its network");
  else if (!Recipe.shape.packages.safeParse({ exclude: [name] }).success)
    found.leave(from, name.startsWith("@") ? "a recipe excludes packages, not groups" : "not a package name");
  else {
    found.dropName("packages", "base", name, `line ${from.line} excludes it, and wins`);
    found.addName("packages", "exclude", name, from);
  }
}

function takePost(part: KickstartPart, found: Findings): void {
  const read = readLine(part, majorOf(found.release));
  if (read === undefined) {
    found.leave(part, `a quotation mark is not closed${extent(part)}`);
    return;
  }
  if (read.has("nochroot")) {
    found.leave(part, `a script of a recipe runs in the guest, not outside it${extent(part)}`);
    return;
  }
  const interpreter = read.option("interpreter") ?? "/bin/sh";
  if (!/\/(ba|k|da)?sh(\s|$)/.test(interpreter)) {
    found.leave(part, `a script of a recipe runs under bash, not under ${interpreter}${extent(part)}`);
    return;
  }
  if (/^\/(usr\/)?bin\/(ba)?sh$/.test(interpreter)) found.asAnyway(read.part("interpreter"));
  else found.leave(part, `it runs under bash, not under ${interpreter}`);
  const body = part.body.join("\n").trim();
  if (body === "") {
    found.leave(part, "it is empty");
    return;
  }
  const stops = read.has("erroronfail");
  const log = read.option("log", "logfile");
  if (log !== undefined) found.leave(part, `its output is in the log of the build, not in ${log}`);
  leaveRest(read, found);
  if (/^\s*%(include|ksappend)\b/m.test(body))
    found.leave(part, "it includes another file; put its lines into the recipe's script");
  if (/[\p{Cc}\ufffd]/u.test(body.replace(/[\t\n\r]/g, "")))
    found.leave(part, "contains bytes that are not text; check the result");
  if (/\$SNIPPET\(|^#(if|for|set)\b|\{%|\{\{/m.test(body))
    found.leave(part, "it contains lines of a template engine; render the template first");
  if (secrets.test(body))
    found.leave(part, "it may contain a secret, which is now in the recipe's script: remove it");
  // A kickstart's script continues after a failed command, and its exit code matters only with --erroronfail.
  // Its background jobs end with the installer; ssh would wait for them.
  const how = stops
    ? "set +eu +o pipefail"
    : "set +eu +o pipefail; trap 'kill $(jobs -p) 2>/dev/null; exit 0' EXIT";
  found.add(
    "scripts",
    { name: `post-${(found.lists.scripts?.length ?? 0) + 1}`, run: `${how}\n${body}\n` },
    part,
  );
}

const secrets = /\bpasswd\s.*--stdin|\bchpasswd\b|activationkey|--password[= ]|PRIVATE KEY|_PASSWORD=/i;

/** The lines of a section that is left out as a whole. */
function extent(part: KickstartPart): string {
  const filled = part.body.findLastIndex((line) => line.trim() !== "");
  return filled < 0 ? "" : `; lines ${part.line + 1} to ${part.line + 1 + filled} belong to it`;
}
