// deb.mjs FOLDER: packs tbuild as a Debian package in FOLDER, with the modules that package-lock.json names. `make deb`
// calls it. Its maintainer is DEBFULLNAME and DEBEMAIL, or git's user. Prints the path of the package.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  chmodSync,
  cpSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { packages } from "../dist/host/programs.js";

const [folder] = process.argv.slice(2);
if (!folder) fail("usage: deb.mjs FOLDER");
const repository = fileURLToPath(new URL("..", import.meta.url));
const { version: upstream, license, engines } = readJson(join(repository, "package.json"));
const version = `${upstream}-1`;
const architecture = output("dpkg", "--print-architecture");
const maintainer = maintainerOf();
// The same commit gives the same package.
process.env.SOURCE_DATE_EPOCH ??= output("git", "-C", repository, "log", "-1", "--format=%ct");
process.umask(0o022);

mkdirSync(folder, { recursive: true });
const work = mkdtempSync(join(tmpdir(), "tbuild-deb-"));
const root = join(work, "root");
const library = join(root, "usr/lib/tbuild");
const documents = join(root, "usr/share/doc/tbuild");
try {
  unpackProgram();
  installModules();
  addProgram();
  addCompletions();
  addManual();
  addDocuments();
  addControl();
  const file = resolve(folder, `tbuild_${version}_${architecture}.deb`);
  output("dpkg-deb", "--root-owner-group", "--build", root, file);
  console.log(file);
} finally {
  rmSync(work, { recursive: true, force: true });
}

function unpackProgram() {
  const packed = output(
    "npm",
    "pack",
    repository,
    "--ignore-scripts",
    "--silent",
    "--pack-destination",
    work,
  );
  mkdirSync(library, { recursive: true });
  output("tar", "-xzf", join(work, packed), "--strip-components=1", "-C", library);
}

function installModules() {
  cpSync(join(repository, "package-lock.json"), join(library, "package-lock.json"));
  const quiet = ["--no-save", "--no-audit", "--no-fund", "--silent", "--prefer-offline"];
  output("npm", "install", "--prefix", library, "--omit=dev", "--ignore-scripts", ...quiet);
  for (const name of ["package-lock.json", "node_modules/.package-lock.json", "node_modules/.bin"])
    rmSync(join(library, name), { recursive: true, force: true });
  // Native code of other runtimes and other machines: tbuild uses none of it.
  for (const path of filesBelow(library).filter((one) => /\/prebuilds\//.test(one))) rmSync(path);
  for (const path of filesBelow(join(library, "node_modules"))) {
    // Settings of their authors' tools.
    if (basename(path).startsWith(".")) rmSync(path);
    else chmodSync(path, 0o644);
  }
}

function addProgram() {
  const main = join(library, "dist/bin/main.js");
  // The node that this package depends on, whatever else is on the PATH.
  writeFileSync(main, readFileSync(main, "utf8").replace(/^#!.*/, "#!/usr/bin/node"));
  chmodSync(main, 0o755);
  mkdirSync(join(root, "usr/bin"), { recursive: true });
  symlinkSync("../lib/tbuild/dist/bin/main.js", join(root, "usr/bin/tbuild"));
}

function addCompletions() {
  for (const [shell, path, head, tail] of [
    ["bash", "bash-completion/completions/tbuild", "", ""],
    // zsh runs the file at the first Tab, and that one is to be answered, too.
    ["zsh", "zsh/vendor-completions/_tbuild", "#compdef tbuild\n", "\n_bash_complete -o default -F _tbuild"],
    ["fish", "fish/vendor_completions.d/tbuild.fish", "", ""],
  ]) {
    const made = output(process.execPath, join(repository, "dist/bin/main.js"), "completion", shell);
    write(join(root, "usr/share", path), `${head}${made}${tail}\n`);
  }
}

function addManual() {
  const pages = join(library, "dist/man");
  for (const name of readdirSync(pages))
    write(join(root, "usr/share/man/man1", `${name}.gz`), gzipped(readFileSync(join(pages, name))));
  rmSync(pages, { recursive: true });
}

function addDocuments() {
  mkdirSync(documents, { recursive: true });
  for (const name of ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "docs"])
    renameSync(join(library, name), join(documents, name));
  write(join(documents, "changelog.gz"), gzipped(readFileSync(join(library, "CHANGELOG.md"))));
  const date = new Date(Number(process.env.SOURCE_DATE_EPOCH) * 1000).toUTCString().replace("GMT", "+0000");
  write(
    join(documents, "changelog.Debian.gz"),
    gzipped(
      `tbuild (${version}) unstable; urgency=medium\n\n  * Version ${upstream}; changelog.gz lists its changes.\n\n -- ${maintainer}  ${date}\n`,
    ),
  );
  write(join(documents, "copyright"), copyright());
  for (const name of ["CHANGELOG.md", "LICENSE"]) rmSync(join(library, name));
}

/** Machine-readable, as DEP 5 has it: tbuild, and each module that comes with it. */
function copyright() {
  const modules = filesBelow(join(library, "node_modules"))
    .filter((path) => /node_modules\/(@[^/]+\/)?[^/]+\/package\.json$/.test(path))
    .map((path) => ({ path: path.slice(root.length + 1, -"/package.json".length), ...readJson(path) }));
  const stanzas = modules.map(({ path, name, author, license: kind }) => {
    const by = typeof author === "object" ? author.name : author;
    return `Files: ${path}/*\nCopyright: ${by ?? `the authors of ${name}`}\nLicense: ${licenseName(kind)}`;
  });
  const licenses = new Set(modules.map((one) => licenseName(one.license)));
  licenses.delete(license);
  const texts = [...licenses].map(
    (name) => `License: ${name}\n The text of the license is in the folder of each module.`,
  );
  return `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: tbuild

Files: *
Copyright: the authors of tbuild
License: ${license}

${stanzas.join("\n\n")}

License: ${license}
 On Debian systems, the text of the license is in /usr/share/common-licenses/${license}.

${texts.join("\n\n")}
`;
}

function licenseName(license) {
  return String(license ?? "unknown").replace(/[()]/g, "");
}

function addControl() {
  const names = (required) => packages.filter((one) => (one.required ?? false) === required);
  const depends = [
    `nodejs (${engines.node.replace(/^>=/, ">= ")})`,
    ...libraries(),
    ...names(true).map(({ name }) => name),
  ];
  const size = filesBelow(root).reduce((sum, path) => sum + Math.ceil(lstatSync(path).size / 1024), 0);
  write(
    join(root, "DEBIAN/control"),
    `Package: tbuild
Version: ${version}
Architecture: ${architecture}
Maintainer: ${maintainer}
Installed-Size: ${size}
Depends: ${depends.join(", ")}
Suggests: ${names(false)
      .map(({ name }) => name)
      .join(", ")}
Section: admin
Priority: optional
Description: golden VM templates for Oracle VM and Xen, from recipes
 tbuild installs Oracle Linux by kickstart in a virtual machine, injects
 first-boot modules, removes every machine identity, boots two disposable
 clones to check the result, and packs it for Oracle VM Manager.
 .
 It also looks into disk images, repairs, seals and converts them without
 starting them, and moves machines from Oracle VM to KVM.
`,
  );
  const lines = filesBelow(root)
    .filter((path) => !path.includes("/DEBIAN/") && !lstatSync(path).isSymbolicLink())
    .map(
      (path) =>
        `${createHash("md5").update(readFileSync(path)).digest("hex")}  ${path.slice(root.length + 1)}`,
    );
  write(join(root, "DEBIAN/md5sums"), `${lines.sort().join("\n")}\n`);
}

/** The packages of the libraries that native modules use. */
function libraries() {
  write(join(work, "debian/control"), "Source: tbuild\n\nPackage: tbuild\nArchitecture: any\n");
  const native = filesBelow(library).filter(
    (path) => readFileSync(path).subarray(0, 4).toString("latin1") === "\x7fELF",
  );
  const found = output("sh", "-c", 'cd "$0" && dpkg-shlibdeps -O "$@" 2>/dev/null', work, ...native);
  return found.replace(/^shlibs:Depends=/, "").split(", ");
}

function maintainerOf() {
  const { DEBFULLNAME, DEBEMAIL } = process.env;
  const name = DEBFULLNAME ?? git("user.name");
  const address = DEBEMAIL ?? git("user.email");
  if (!name || !address)
    fail("no maintainer: set DEBFULLNAME and DEBEMAIL, or git's user.name and user.email");
  return `${name} <${address}>`;
}

function git(key) {
  return spawnSync("git", ["-C", repository, "config", key], { encoding: "utf8" }).stdout.trim();
}

function gzipped(data) {
  // Node writes no time and no name.
  return gzipSync(data, { level: 9 });
}

function write(path, data) {
  mkdirSync(join(path, ".."), { recursive: true });
  writeFileSync(path, data);
}

function filesBelow(path) {
  return readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((one) => !one.isDirectory())
    .map((one) => join(one.parentPath, one.name));
}

function readJson(path) {
  return JSON.parse(readFileSync(path, "utf8"));
}

function output(...argv) {
  const [command, ...args] = argv;
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    encoding: "utf8",
    maxBuffer: 2 ** 26,
  });
  if (error || status !== 0)
    fail(`${argv.slice(0, 4).join(" ")}: ${error?.message ?? `exit code ${status}`}\n${stderr}`);
  return stdout.trim();
}

function fail(message) {
  throw new Error(message);
}
