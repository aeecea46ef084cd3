import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, normalize, resolve } from "node:path";
import { describe, expect, it } from "vitest";

const repository = resolve(import.meta.dirname, "..");
const documents = [
  ...readdirSync(repository).filter((name) => name.endsWith(".md")),
  ...readdirSync(join(repository, "docs"))
    .filter((name) => name.endsWith(".md"))
    .map((name) => `docs/${name}`),
];

interface Link {
  readonly from: string;
  readonly path: string;
  readonly anchor: string;
}

const links = documents.flatMap(linksOf);

describe("the documents", () => {
  it("link each other", () => {
    expect(links.map(({ path }) => path)).toEqual(
      expect.arrayContaining(["ARCHITECTURE.md", "docs/recipe.md"]),
    );
  });

  it.each(documents.filter((one) => one.startsWith("docs/")))("has %s in the README", (page) => {
    expect(links.filter(({ from }) => from === "README.md").map(({ path }) => path)).toContain(page);
  });

  it.each(links)("$from links to $path#$anchor, which is there", ({ path, anchor }) => {
    const file = join(repository, path);
    expect(statSync(file, { throwIfNoEntry: false }), path).toBeDefined();
    if (anchor !== "") expect(anchorsOf(readFileSync(file, "utf8"))).toContain(anchor);
  });
});

describe("the npm package", () => {
  const packed = packedFiles();

  it("contains every document, and every file that they link", () => {
    const wanted = [...documents, ...links.map(({ path }) => path)].filter(
      (path) => !statSync(join(repository, path)).isDirectory(),
    );
    expect([...new Set(wanted)].filter((path) => !packed.includes(path))).toEqual([]);
  });

  it("contains the files that the program reads, and neither tests nor results of builds", () => {
    for (const path of ["recipes/ol6-base.yaml", "recipes/modules/grid/module.yaml", "kickstart/ol6.ks.hbs"])
      expect(packed).toContain(path);
    expect(packed).toContain("src/rehearsal/assets/tables.py");
    expect(
      packed.filter((path) => /^(test|\.tbuild|node_modules)\/|\.pyc$|\.tsbuildinfo$/.test(path)),
    ).toEqual([]);
  });
});

/** The links of a document to files of the repository, from the repository's root. */
function linksOf(from: string): Link[] {
  const text = readFileSync(join(repository, from), "utf8").replace(/^```[\s\S]*?^```/gm, "");
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target = ""]) => target)
    .filter((target) => !/^[a-z]+:/.test(target))
    .map((target) => {
      const [path = "", anchor = ""] = target.split("#");
      return { from, path: path === "" ? from : normalize(join(dirname(from), path)), anchor };
    });
}

/** The anchors of a document's headings, as GitHub makes them. */
function anchorsOf(text: string): string[] {
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = ""]) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, "")
      .replaceAll(" ", "-"),
  );
}

function packedFiles(): string[] {
  const { stdout, stderr } = spawnSync("npm", ["pack", "--dry-run", "--json", "--ignore-scripts"], {
    cwd: repository,
    encoding: "utf8",
  });
  const [one] = JSON.parse(stdout || `"${stderr}"`) as { files: { path: string }[] }[];
  return (one?.files ?? []).map(({ path }) => path);
}
