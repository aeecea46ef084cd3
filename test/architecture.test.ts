import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, expect, it } from "vitest";

const src = resolve(import.meta.dirname, "../src");

// Who may import whom: the diagram of ARCHITECTURE.md as a table. An entry is a room, or one file of a room.
const open = ["choices.ts", "errors.ts", "html.ts", "io"];
const mayImport: Readonly<Record<string, readonly string[]>> = {
  "main.ts": ["cli"],
  cli: [
    "build",
    "bundles",
    "deploy",
    "firstboot",
    "guest",
    "host",
    "hypervisor",
    "image",
    "kickstart",
    "manager",
    "media",
    "migrate",
    "model",
    "pages",
    "provision",
    "recipe",
    "rehearsal",
    "store",
  ],
  build: [
    "bundles",
    "firstboot",
    "guest",
    "host",
    "hypervisor",
    "image",
    "kickstart",
    "manager",
    "media",
    "model",
    "provision",
    "recipe",
    "rehearsal",
    "store",
    "vm-cfg",
  ],
  // The table of places imports the manager's place.
  deploy: ["firstboot", "host", "hypervisor", "manager", "model", "recipe", "store"],
  rehearsal: ["firstboot/additions.ts", "host", "media", "model"],
  provision: ["guest", "host", "image/tree.ts", "kickstart", "model", "recipe"],
  kickstart: ["recipe"],
  recipe: [
    "guest/leftovers/command-line.ts",
    "guest/seal/index.ts",
    "hypervisor/table.ts",
    "manager/options.ts",
    "model/uuid.ts",
  ],
  guest: ["firstboot", "host", "image", "model", "vm-cfg"],
  firstboot: [
    "guest/operation.ts",
    "guest/release.ts",
    "host/host.ts",
    "host/partial-file.ts",
    "host/temporary.ts",
    "image",
    "model",
    "recipe/findings.ts",
    "recipe/located.ts",
    "recipe/shape.ts",
    "recipe/suggestion.ts",
    "recipe/timezones.ts",
  ],
  bundles: [
    "host",
    "image/disk/disk.ts",
    "image/file/format.ts",
    "image/file/image-file.ts",
    "image/file/qcow2.ts",
    "model",
    "store/store.ts",
    "vm-cfg",
  ],
  migrate: ["bundles", "guest", "host", "image", "model", "vm-cfg"],
  pages: ["firstboot/judge.ts", "firstboot/messages.ts", "firstboot/value-types.ts", "model", "store"],
  store: ["host", "model"],
  model: ["vm-cfg/value.ts"],
  image: ["host"],
  hypervisor: ["firstboot/xenstore-keys.ts", "host", "image/file/holes.ts", "manager", "media", "vm-cfg"],
  manager: ["host", "hypervisor/hypervisor.ts"],
  media: ["host"],
  "vm-cfg": [],
  host: [],
  io: [],
};

// One door per package.
const doors: Readonly<Record<string, readonly string[]>> = {
  commander: ["cli"],
  execa: ["host/local.ts"],
  handlebars: ["kickstart/render.ts"],
  "tar-stream": ["io/tar.ts"],
  undici: ["io/http-dispatchers.ts"],
  "@toondepauw/node-zstd": ["io/compression.ts"],
  yauzl: ["bundles/read/zip.ts", "guest/leftovers/zip-members.ts"],
  ssh2: ["manager/cli/ssh", "manager/simulator/ssh-server.ts"],
  re2js: ["firstboot/pattern.ts"],
  saxes: ["io/read-xml.ts"],
  diff: ["io/patch.ts"],
  "web-tree-sitter": ["firstboot/grammar.ts"],
  "@cyclonedx/cyclonedx-library": ["store/compare/sbom.ts"],
  "node:child_process": [],
};

// Only its table may import a backend.
const tables: Readonly<Record<string, readonly string[]>> = {
  "image/ways/table.ts": [
    "image/ways/direct.ts",
    "image/ways/debugfs.ts",
    "image/ways/loop.ts",
    "image/ways/kpartx.ts",
    "image/ways/uml.ts",
    "image/ways/guestfish.ts",
  ],
  "deploy/places/table.ts": [
    "deploy/places/oracle-vm/oracle-vm.ts",
    "deploy/places/hypervisor/hypervisor.ts",
  ],
  "hypervisor/table.ts": [
    "hypervisor/qemu/qemu.ts",
    "hypervisor/xen/xen.ts",
    "hypervisor/oracle-vm/oracle-vm.ts",
  ],
  "bundles/write/table.ts": [
    "bundles/write/tgz.ts",
    "bundles/write/ova.ts",
    "bundles/write/qcow2.ts",
    "bundles/write/raw.ts",
    "bundles/write/libvirt.ts",
    "bundles/write/olvm-ova.ts",
    "bundles/write/xva.ts",
    "bundles/write/proxmox.ts",
  ],
};

const files = readdirSync(src, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
const imports = files.flatMap((file) => importsOf(file));

describe("architecture", () => {
  it.each(imports.filter((i) => i.ours))("$file may import $target", ({ file, target }) => {
    const [from, to] = [folderOf(file), folderOf(target)];
    if (from === to) return;
    const allowed = [...open, ...(mayImport[from] ?? [])];
    expect(allowed.includes(to) || allowed.includes(target), `${file} imports ${target}`).toBe(true);
  });

  it.each(imports.filter((i) => !i.ours && i.target in doors))(
    "$file may use $target",
    ({ file, target }) => {
      expect(
        doors[target]?.some((door) => file === door || file.startsWith(`${door}/`)),
        `${file} imports ${target}`,
      ).toBe(true);
    },
  );

  it("has no circles", () => {
    expect(circles().map((circle) => circle.join(" → "))).toEqual([]);
  });

  it.each(Object.entries(tables))("imports backends through %s only", (table, backends) => {
    const strangers = imports.filter(
      (i) => backends.includes(i.target) && i.file !== table && !backends.includes(i.file),
    );
    expect(strangers.map((i) => `${i.file} imports ${i.target}`)).toEqual([]);
    const named = imports.filter((i) => i.file === table).map((i) => i.target);
    for (const backend of backends) expect(named).toContain(backend);
  });

  it.each(["guest/seal", "guest/convert", "build/steps"])("uses every file of %s", (folder) => {
    const users = new Set(imports.map((i) => i.target));
    const idle = files.filter(
      (file) => dirname(file) === folder && !file.endsWith("index.ts") && !users.has(file),
    );
    expect(idle).toEqual([]);
  });

  it("prints, reads the environment and exits in cli/ and main.ts only", () => {
    const loud = files
      // host/environment.ts decides which variables a program gets.
      .filter((file) => folderOf(file) !== "cli" && !["main.ts", "host/environment.ts"].includes(file))
      .filter((file) =>
        /(?<![\w"-])console\.(?:log|error|warn|info|debug)\(|\bprocess\.(env|exit|stdout|stderr|argv)\b/.test(
          readFileSync(join(src, file), "utf8"),
        ),
      );
    expect(loud).toEqual([]);
  });

  // Node reports any refusal in its middle as "no such file".
  it("makes folders with their parents by io/ only", () => {
    const recursive = files
      .filter((file) => folderOf(file) !== "io")
      .filter((file) => /\bmkdir(Sync)?\([^;]*recursive: true/.test(readFileSync(join(src, file), "utf8")));
    expect(recursive).toEqual([]);
  });

  // Node names no file if the disk is full.
  it("writes whole files by io/ only, which names them", () => {
    const own = files
      .filter((file) => folderOf(file) !== "io")
      .filter((file) => {
        const text = readFileSync(join(src, file), "utf8");
        return /import \{[^}]*\bwriteFile\b[^}]*\} from "node:fs\/promises"/.test(text);
      });
    expect(own).toEqual([]);
  });

  // One call may write less than it was given: `writeAll` repeats it.
  it("writes to open files by io/ only", () => {
    const short = files
      .filter((file) => folderOf(file) !== "io")
      .flatMap((file) => {
        const text = readFileSync(join(src, file), "utf8");
        const handles = [
          ...text.matchAll(/(\w+) = await open\(|(\w+)\??: (?:import\([^)]*\)\.)?FileHandle\b/g),
        ];
        const names = new Set(handles.map(([, opened, given]) => opened ?? given));
        return [...text.matchAll(/(\w+)\.writev?\(/g)]
          .filter(([, name]) => names.has(name))
          .map(([call]) => `${file}: ${call}`);
      });
    expect(short).toEqual([]);
  });

  it("spreads no literal objects", () => {
    const spread = files.filter((file) => /^\s*\.\.\.\{ \w/m.test(readFileSync(join(src, file), "utf8")));
    expect(spread).toEqual([]);
  });

  it("imports commands lazily, so that --help starts fast", () => {
    const program = imports.filter((i) => /^cli\/[\w-]+\.ts$/.test(i.file) && !i.dynamic && !i.typeOnly);
    expect(program.map((i) => i.target).filter((target) => target.startsWith("cli/commands/"))).toEqual([]);
    expect(packagesBehind("cli/run.ts")).toEqual(["commander"]);
  });

  it.each([
    ["repair", []],
    ["inspect", ["string-width", "wrap-ansi"]],
  ])("loads no large package for %s before it is needed", (command, packages) => {
    expect(packagesBehind(`cli/commands/${command}.ts`)).toEqual(packages);
  });
});

/** The packages that importing a file loads, directly or through our files. */
function packagesBehind(start: string): string[] {
  const known = new Set<string>();
  const packages = new Set<string>();
  const walk = (file: string) => {
    if (known.has(file)) return;
    known.add(file);
    for (const { target, ours, dynamic, typeOnly } of imports.filter((one) => one.file === file)) {
      if (dynamic || typeOnly) continue;
      if (ours) walk(target);
      else if (!target.startsWith("node:")) packages.add(target);
    }
  };
  walk(start);
  return [...packages].sort();
}

function importsOf(file: string) {
  const text = readFileSync(join(src, file), "utf8");
  const pattern =
    /(?:^import\s+(type\s)?[^;]*?from\s+|^import\s+|^export\s+[^;]*?from\s+|(import)\()"([^"]+)"/gm;
  return [...text.matchAll(pattern)].map((match) => {
    const specifier = match[3] ?? "";
    const ours = specifier.startsWith(".");
    const target = ours ? relative(src, resolve(src, dirname(file), specifier)) : specifier;
    return { file, target, ours, dynamic: match[2] !== undefined, typeOnly: match[1] !== undefined };
  });
}

/** The circles among our files, each as its files in order, by a depth-first walk. */
function circles(): string[][] {
  const targets = new Map<string, string[]>();
  for (const { file, target, ours } of imports)
    if (ours) targets.set(file, [...(targets.get(file) ?? []), target]);
  const found: string[][] = [];
  const done = new Set<string>();
  const path: string[] = [];
  const walk = (file: string) => {
    if (path.includes(file)) found.push([...path.slice(path.indexOf(file)), file]);
    if (path.includes(file) || done.has(file)) return;
    path.push(file);
    for (const target of targets.get(file) ?? []) walk(target);
    path.pop();
    done.add(file);
  };
  for (const file of files) walk(file);
  return found;
}

function folderOf(file: string): string {
  return file.split("/")[0] ?? file;
}
