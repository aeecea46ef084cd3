import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, expect, it } from "vitest";

const src = resolve(import.meta.dirname, "../src");

// Who may import whom: the picture in ARCHITECTURE.md, as a table.
const mayImport: Readonly<Record<string, readonly string[]>> = {
  "main.ts": ["cli"],
  cli: [
    "build",
    "rehearsal",
    "recipe",
    "media",
    "guest",
    "packaging",
    "pages",
    "hypervisor",
    "image",
    "store",
    "host",
  ],
  build: ["rehearsal", "recipe", "media", "guest", "packaging", "hypervisor", "image", "store", "host"],
  rehearsal: ["media", "store", "host"],
  guest: ["image", "host", "store", "vm-cfg"],
  packaging: ["store", "host", "vm-cfg"],
  pages: ["store"],
  image: ["host"],
  hypervisor: ["host"],
  media: ["host"],
  recipe: [],
  store: ["host", "vm-cfg"],
  "vm-cfg": [],
  host: [],
};

// One door per package.
const doors: Readonly<Record<string, readonly string[]>> = {
  commander: ["cli"],
  execa: ["host/local.ts"],
  handlebars: ["recipe"],
  "tar-stream": ["tar.ts"],
  "@toondepauw/node-zstd": ["store/compression.ts"],
  saxes: ["packaging/import/read-xml.ts"],
  diff: ["store/compare.ts"],
  "@cyclonedx/cyclonedx-library": ["store/sbom.ts"],
  "node:child_process": [],
};

// Backends are imported by their table, and by nobody else.
const tables: Readonly<Record<string, readonly string[]>> = {
  "image/index.ts": [
    "image/direct.ts",
    "image/debugfs.ts",
    "image/loop.ts",
    "image/kpartx.ts",
    "image/uml.ts",
    "image/guestfish.ts",
  ],
  "hypervisor/index.ts": ["hypervisor/qemu.ts"],
  "packaging/index.ts": [
    "packaging/ovm-tgz.ts",
    "packaging/ova.ts",
    "packaging/qcow2.ts",
    "packaging/raw.ts",
  ],
};

const files = readdirSync(src, { recursive: true, encoding: "utf8" }).filter((file) => file.endsWith(".ts"));
const imports = files.flatMap((file) => importsOf(file));

describe("architecture", () => {
  it.each(imports.filter((i) => i.ours))("$file may import $target", ({ file, target }) => {
    const [from, to] = [folderOf(file), folderOf(target)];
    if (from === to || to === "errors.ts" || to === "tar.ts" || to === "html.ts") return;
    expect(mayImport[from] ?? [], `${file} imports ${target}`).toContain(to);
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

  it.each(Object.entries(tables))("backends are reached through %s only", (table, backends) => {
    const strangers = imports.filter(
      (i) => backends.includes(i.target) && i.file !== table && !backends.includes(i.file),
    );
    expect(strangers.map((i) => `${i.file} imports ${i.target}`)).toEqual([]);
    const named = imports.filter((i) => i.file === table).map((i) => i.target);
    for (const backend of backends) expect(named).toContain(backend);
  });

  it.each(["guest/seal", "guest/convert", "build/steps"])("every file of %s is used", (folder) => {
    const users = new Set(imports.map((i) => i.target));
    const idle = files.filter(
      (file) => dirname(file) === folder && !file.endsWith("index.ts") && !users.has(file),
    );
    expect(idle).toEqual([]);
  });

  it("prints, reads the environment and exits in cli/ and main.ts only", () => {
    const loud = files
      .filter((file) => folderOf(file) !== "cli" && file !== "main.ts")
      .filter((file) =>
        /(?<![\w"-])console\.(?:log|error|warn|info|debug)\(|\bprocess\.(env|exit|stdout|stderr|argv)\b/.test(
          readFileSync(join(src, file), "utf8"),
        ),
      );
    expect(loud).toEqual([]);
  });

  it("imports commands lazily, so that --help starts fast", () => {
    const program = imports.filter((i) => /^cli\/[\w-]+\.ts$/.test(i.file) && !i.dynamic && !i.typeOnly);
    expect(program.map((i) => i.target).filter((target) => target.startsWith("cli/commands/"))).toEqual([]);
  });
});

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

function folderOf(file: string): string {
  return file.split("/")[0] ?? file;
}
