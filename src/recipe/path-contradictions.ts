import type { Contradiction } from "./findings.ts";
import type { Recipe } from "./recipe.ts";

type Said = Recipe["files"][number] | Recipe["folders"][number];
interface Entry {
  readonly list: "files" | "folders";
  readonly at: number;
  readonly path: string;
  readonly said: Said;
}

/**
 * Files and folders that contradict each other. A recipe may repeat an inherited path: the last one wins.
 * Twice in one file is a mistake.
 */
export function pathsAgainst(
  { files = [], folders = [] }: Partial<Pick<Recipe, "files" | "folders">>,
  fileOf: (path: readonly PropertyKey[]) => string | undefined,
): Contradiction[] {
  const ofFiles = entries("files", files);
  const ofFolders = entries("folders", folders);
  const fileAt = new Map(ofFiles.map((one) => [one.path, one]));
  const folderAt = new Map(ofFolders.map((one) => [one.path, one]));
  return [
    ...ofFiles.flatMap((one) => told(one, folderAt.get(one.path), "is also one of the folders")),
    ...[...ofFiles, ...ofFolders].flatMap((one) => {
      const above = parents(one.path).find((path) => fileAt.has(path));
      return above === undefined ? [] : told(one, fileAt.get(above), `is below ${above}, which is a file`);
    }),
    ...[ofFiles, ofFolders].flatMap((list) => againstEarlier(list, fileOf)),
  ];
}

function againstEarlier(
  list: readonly Entry[],
  fileOf: (path: readonly PropertyKey[]) => string | undefined,
): Contradiction[] {
  const before = new Map<string, Entry>();
  return list.flatMap((one) => {
    const file = fileOf([one.list, one.at]);
    if (file === undefined) return [];
    const key = JSON.stringify([file, one.path]);
    const earlier = before.get(key);
    if (earlier === undefined) before.set(key, one);
    const differing = earlier && differences(one.said, earlier.said);
    return differing ? told(one, earlier, `is listed twice, with a different ${differing}`) : [];
  });
}

function differences(one: Said, other: Said): string {
  const [first, second]: Record<string, unknown>[] = [{ ...one }, { ...other }];
  const mode = (said: Said) => Number.parseInt(said.mode, 8);
  return ["content", "from", "owner", "group", "mode"]
    .filter((key) => (key === "mode" ? mode(one) !== mode(other) : first?.[key] !== second?.[key]))
    .join(" and ");
}

function told(one: Entry, against: Entry | undefined, text: string): Contradiction[] {
  if (against === undefined) return [];
  const place = ({ list, at }: Entry) => [list, at, "path"];
  return [{ path: place(one), text: `${one.path} ${text}`, against: place(against) }];
}

function entries(list: Entry["list"], said: readonly Said[]): Entry[] {
  return said.map((one, at) => ({ list, at, said: one, path: plain(one.path) }));
}

function plain(path: string): string {
  return `/${path
    .split("/")
    .filter((name) => !["", "."].includes(name))
    .join("/")}`;
}

/** The folders above a path, the nearest first. */
function parents(path: string): string[] {
  const names = path.split("/");
  return names.slice(2).map((_, index) => names.slice(0, names.length - 1 - index).join("/"));
}
