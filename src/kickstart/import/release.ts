import { releases } from "../../choices.ts";
import { majorOf, type Recipe } from "../../recipe/recipe.ts";
import { checkKickstart } from "../check.ts";

/**
 * The release that a kickstart was most likely written for: as it states, or as its repositories suggest, or
 * the one whose installer accepts most of it.
 */
export function releaseOfKickstart(text: string): Recipe["release"] {
  const said = /^\uFEFF?#\s*version[\s=]+(?:RHEL|OL|EL|CENTOS)[\s-]?(\d+)/im.exec(text)?.[1];
  return oneOf(said) ?? oneOf(nameIn(text)) ?? leastRefused(text, guessOf(text));
}

function guessOf(text: string): Recipe["release"] {
  const has = (pattern: RegExp) => pattern.test(text);
  if (has(/^\s*(timesource|rhsm)\b/m) || has(/--inst-langs=|--exclude-weakdeps/)) return "ol9";
  if (has(/^\s*(authselect|module|syspurpose)\b/m) || has(/AppStream|^@\^[\w-]+-environment/m)) return "ol8";
  if (has(/^\s*(eula|reqpart)\b/m) || has(/^%(addon|anaconda)\b/m)) return "ol7";
  if (has(/^\s*(part|logvol)\b.*\bxfs\b/m) || has(/^@\^/m)) return "ol7";
  if (has(/^\s*key\b/m) || (has(/^%\w/m) && !has(/^\s*%end\b/m))) return "ol5";
  return has(/^\s*install\s*$/m) ? "ol6" : "ol7";
}

// The installation source: `/centos/7/`, `OracleLinux/OL8/`, `rhel-server-5.4`.
function nameIn(text: string): string | undefined {
  const lines = text.split("\n").filter((line) => /^\s*(url|repo|nfs)\b/.test(line));
  const names = /(?:centos|OracleLinux\/OL|rhel|rhel-server|almalinux|rocky|redhat)[-/_]?(\d+)(?![\w])/i;
  return lines.map((line) => names.exec(line)?.[1]).find((major) => major !== undefined);
}

function oneOf(major: string | undefined): Recipe["release"] | undefined {
  return releases.find((release) => release === `ol${major}`);
}

/** The release that refuses the fewest lines. If several do, the one closest to the guess. */
function leastRefused(text: string, guess: Recipe["release"]): Recipe["release"] {
  const far = (release: Recipe["release"]) => Math.abs(majorOf(release) - majorOf(guess));
  const [best] = releases
    .map((release) => ({
      release,
      refused: checkKickstart(text, majorOf(release)).filter(({ severity }) => severity === "error").length,
    }))
    .sort((a, b) => a.refused - b.refused || far(a.release) - far(b.release));
  return best?.release ?? guess;
}
