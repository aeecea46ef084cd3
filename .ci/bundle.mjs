// Bundles dist/ into dist/bin/, so that a command reads a few files instead of hundreds. Modules keep the address of their
// own file in dist/: the digest of a step's code reads those files, and paths to recipes and assets start from them.
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const dist = fileURLToPath(new URL("../dist/", import.meta.url));
const out = `${dist}bin`;
// Commands that run meanwhile go on with the old files: the new ones take their place at once.
const [next, former] = [`${out}.next`, `${out}.former`];

const ownAddress = {
  name: "own-address",
  setup({ onLoad }) {
    onLoad({ filter: /\.js$/ }, async ({ path }) => {
      if (!path.startsWith(dist)) return undefined;
      const text = await readFile(path, "utf8");
      // esbuild lets a missing module pass in a `try`, into which tsc puts what follows `await using`.
      if (/\bimport\("[^"]+\.ts"\)/.test(text))
        throw new Error(
          `${path}: tsc did not rewrite an import() behind \`await using\`: import it at the top`,
        );
      const own = `new URL(${JSON.stringify(relative(out, path))}, import.meta.url).href`;
      return { contents: text.replaceAll("import.meta.url", `(${own})`), loader: "js" };
    });
  },
};

// tbuild says in words of its own what is wrong with a value, and the languages are half of zod.
const onlyEnglish = {
  name: "only-english",
  setup({ onLoad }) {
    onLoad({ filter: /\/zod\/v4\/locales\/index\.js$/ }, () => ({
      contents: 'export { default as en } from "./en.js";',
      loader: "js",
    }));
  },
};

// commander starts programs only for commands that are files of their own, which tbuild has none of.
const noPrograms = {
  name: "no-programs",
  setup({ onLoad }) {
    onLoad({ filter: /\/commander\/lib\/command\.js$/ }, async ({ path }) => {
      const text = await readFile(path, "utf8");
      const load = "const childProcess = require('node:child_process');";
      if (!text.includes(load)) throw new Error(`${path} loads node:child_process in another way`);
      const spawn = "spawn: (...given) => require('node:child_process').spawn(...given)";
      return { contents: text.replace(load, () => `const childProcess = { ${spawn} };`), loader: "js" };
    });
  },
};

// Packages in CommonJS ask for Node's own modules. esbuild puts this into every file; only one of them needs it.
const banner =
  'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);';

for (const folder of [next, former]) await rm(folder, { recursive: true, force: true });
const { metafile } = await build({
  entryPoints: [`${dist}main.js`],
  outdir: next,
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node20.18",
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: "none",
  metafile: true,
  // Optional parts that are not installed, native code, WebAssembly that is found beside its module, and undici, whose
  // names are lost when it is imported by name at run time.
  external: [
    "@cyclonedx/cyclonedx-library",
    "@toondepauw/node-zstd",
    "ssh2",
    "tree-sitter-bash",
    "tree-sitter-python",
    "undici",
    "web-tree-sitter",
    "yauzl",
  ],
  banner: { js: banner },
  plugins: [ownAddress, onlyEnglish, noPrograms],
});

for (const output of Object.keys(metafile.outputs)) {
  const text = await readFile(output, "utf8");
  if (/\brequire\b/.test(text.replace(banner, ""))) continue;
  await writeFile(output, text.replace(`${banner}\n`, ""));
}

// The script of the catalog's pages with a form. From a file, a browser loads no modules, so it is one plain script.
await build({
  entryPoints: [`${dist}pages/browser/form.js`],
  outfile: `${dist}pages/form.js`,
  bundle: true,
  format: "iife",
  platform: "browser",
  target: "es2020",
  minify: true,
});

// A CommonJS package that is imported at run time has only a default in a bundle: its names would be undefined.
const nameless = [];
for (const [file, { imports }] of Object.entries(metafile.inputs))
  for (const { path, kind, original } of imports) {
    if (kind !== "dynamic-import" || metafile.inputs[path]?.format !== "cjs") continue;
    const text = await readFile(file, "utf8");
    const names = text.match(new RegExp(`const \\{([^}]*)\\} = await import\\("${original}"\\)`))?.[1] ?? "";
    if (!/^\s*default:/.test(names)) nameless.push(`${file}: {${names}} of ${original}`);
  }
if (nameless.length > 0) throw new Error(`make these packages external:\n${nameless.join("\n")}`);
await rename(out, former).catch((error) => {
  if (error.code !== "ENOENT") throw error;
});
await rename(next, out);
await rm(former, { recursive: true, force: true });
console.log(`dist/bin: ${Object.keys(metafile.outputs).length} files`);
