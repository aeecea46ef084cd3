// release.mjs VERSION [--dry-run FOLDER]: tests, changelog, package, tag. `make release VERSION=0.2.0` calls it.
//
// Runs every test, turns the changelog's "Unreleased" into the version, packs, installs the packed file into an empty folder
// and builds a rehearsal template from there. Only then it commits and tags. Nothing is pushed or published.
// A dry run packs into FOLDER, which has to be empty, and installs from there. It changes, commits and tags nothing, runs no
// tests and builds no template.
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const [version = "", mode, given] = process.argv.slice(2);
const dry = mode === "--dry-run";
if (!/^\d+\.\d+\.\d+$/.test(version) || (mode !== undefined && !(dry && given)))
  fail("usage: release.mjs VERSION [--dry-run FOLDER], with a version such as 0.2.0");

process.chdir(fileURLToPath(new URL("..", import.meta.url)));
const changelog = released(readFileSync("CHANGELOG.md", "utf8"), version, new Date());
const refusal = refusals();
if (refusal !== undefined && !dry) fail(refusal);
if (refusal !== undefined) console.log(`a real run would refuse: ${refusal}`);

if (!dry) {
  run("make", "test");
  writeFileSync("CHANGELOG.md", changelog.text);
  run("npm", "version", version, "--no-git-tag-version");
}
const folder = dry ? resolve(given) : mkdtempSync(join(tmpdir(), "tbuild-release-"));
try {
  run("npm", "run", "--silent", "build");
  const packed = output(
    "npm",
    "pack",
    "--ignore-scripts",
    "--silent",
    "--pack-destination",
    dry ? folder : ".",
  );
  const file = dry ? join(folder, packed) : packed;
  mkdirSync(join(folder, "check"));
  run(".ci/check-package.sh", file, join(folder, "check"), ...(dry ? [] : ["--build"]));
  console.log(`\n${changelog.section}\n\n${file}: installs and works`);
} finally {
  if (!dry) rmSync(folder, { recursive: true, force: true });
}
if (dry) {
  console.log(`would commit the changelog and the version, and tag v${version}`);
} else {
  run("git", "commit", "-q", "-m", `Version ${version}`, "CHANGELOG.md", "package.json", "package-lock.json");
  run("git", "tag", "-a", "-m", `tbuild ${version}`, `v${version}`);
  console.log(`tagged v${version}; publish it: git push --follow-tags`);
}

/** The changelog with `version` in the place of "Unreleased", and the section of that version. */
function released(text, version, date) {
  const [, before, section, after = ""] =
    /^([\s\S]*?^## \[Unreleased\]\n)([\s\S]*?)(^## \[[\s\S]*)?$(?![\s\S])/m.exec(text) ?? [];
  if (section === undefined || section.trim() === "") fail("CHANGELOG.md: nothing under Unreleased");
  const title = `## [${version}] - ${date.toISOString().slice(0, 10)}`;
  return {
    text: `${before}\n${title}\n\n${section.trim()}\n${after && `\n${after}`}`,
    section: `${title}\n\n${section.trim()}`,
  };
}

/** Why this version cannot be released now. */
function refusals() {
  if (output("git", "tag", "--list", `v${version}`) !== "") return `the tag v${version} exists`;
  if (output("git", "status", "--porcelain") !== "") return "the working tree has changes";
  return undefined;
}

function run(...argv) {
  const [command, ...args] = argv;
  const { status } = spawnSync(command, args, { stdio: "inherit" });
  if (status !== 0) fail(`${argv.join(" ")}: exit code ${status}`);
}

function output(...argv) {
  const [command, ...args] = argv;
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: "utf8" });
  if (status !== 0) fail(`${argv.join(" ")}: exit code ${status}\n${stderr}`);
  return stdout.trim();
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
