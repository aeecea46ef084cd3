// Bundles dist/ into dist/bin/, so that a command reads a few files instead of hundreds. Modules keep the address of their
// own file in dist/: the digest of a step's code reads those files, and paths to recipes and assets start from them.
import { readFile, rm } from "node:fs/promises";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const dist = fileURLToPath(new URL("../dist/", import.meta.url));
const out = `${dist}bin/`;

const ownAddress = {
  name: "own-address",
  setup({ onLoad }) {
    onLoad({ filter: /\.js$/ }, async ({ path }) => {
      if (!path.startsWith(dist)) return undefined;
      const text = await readFile(path, "utf8");
      const own = `new URL(${JSON.stringify(relative(out, path))}, import.meta.url).href`;
      return { contents: text.replaceAll("import.meta.url", `(${own})`), loader: "js" };
    });
  },
};

await rm(out, { recursive: true, force: true });
const { metafile } = await build({
  entryPoints: [`${dist}main.js`],
  outdir: out,
  bundle: true,
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node20.18",
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: "none",
  metafile: true,
  // Optional parts that are not installed, native code, and WebAssembly that is found beside its module.
  external: [
    "@cyclonedx/cyclonedx-library",
    "@toondepauw/node-zstd",
    "tree-sitter-python",
    "web-tree-sitter",
  ],
  // Packages in CommonJS ask for Node's own modules.
  banner: {
    js: 'import { createRequire as __createRequire } from "node:module"; const require = __createRequire(import.meta.url);',
  },
  plugins: [ownAddress],
});
console.log(`dist/bin: ${Object.keys(metafile.outputs).length} files`);
