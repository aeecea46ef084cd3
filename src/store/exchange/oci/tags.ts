import type { Answer } from "../../../io/http.ts";
import { limitedText } from "./limited-body.ts";

export interface Tags {
  readonly names: readonly string[];
  /** Why the list is empty or incomplete: a registry need not list its tags. `404 Not Found` if the repository does not exist yet. */
  readonly lacking?: string;
}

const largestPage = 4 * 2 ** 20;
const mostPages = 1000;

/** The tags of a repository, page by page from `first`. */
export async function allTags(
  registry: string,
  first: URL,
  ask: (url: URL) => Promise<Answer>,
): Promise<Tags> {
  const names: string[] = [];
  let url = first;
  // A registry may page its list, and names the next page in a Link header.
  for (let pages = 0; pages < mostPages; pages++) {
    const answer = await ask(url);
    if (!answer.ok) {
      answer.drop();
      return { names, lacking: answer.statusLine };
    }
    const page = tagsIn(await limitedText(registry, answer, largestPage));
    if (!page) return { names, lacking: "its answer is not a list of tags" };
    names.push(...page);
    const next = /<([^>]*)>\s*;[^,]*\brel="?next\b/i.exec(answer.header("link") ?? "")?.[1];
    if (next === undefined) return { names };
    if (!URL.canParse(next, url.href)) return { names, lacking: "its list continues at an invalid address" };
    url = new URL(next, url);
    if (url.origin !== first.origin) return { names, lacking: `its list continues at ${url.host}` };
  }
  return { names, lacking: `its list has more than ${mostPages} pages` };
}

function tagsIn(text: string): string[] | undefined {
  try {
    const { tags } = JSON.parse(text) as { tags?: unknown };
    // Docker's registry writes `null` for an empty list.
    if (tags === null) return [];
    return Array.isArray(tags) ? tags.filter((tag) => typeof tag === "string" && isTag.test(tag)) : undefined;
  } catch {
    return undefined;
  }
}

const isTag = /^\w[\w.-]{0,127}$/;
