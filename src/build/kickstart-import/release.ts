import type { Recipe } from "../../recipe/recipe.ts";

/** The release that a kickstart was written for, as far as it shows: what it says of itself, then what only some have. */
export function releaseOfKickstart(text: string): Recipe["release"] {
  const has = (pattern: RegExp) => pattern.test(text);
  const said = /^\uFEFF?#\s*version[\s=]+(?:RHEL|OL|EL|CENTOS)[\s-]?(\d+)/im.exec(text)?.[1];
  const named = oneOf(said) ?? oneOf(nameIn(text));
  if (named !== undefined) return named;
  if (has(/^\s*(timesource|rhsm)\b/m) || has(/--inst-langs=|--exclude-weakdeps/)) return "ol9";
  if (has(/^\s*(authselect|module|syspurpose)\b/m) || has(/AppStream|^@\^[\w-]+-environment/m)) return "ol8";
  if (has(/^\s*(eula|reqpart)\b/m) || has(/^%(addon|anaconda)\b/m)) return "ol7";
  if (has(/^\s*(part|logvol)\b.*\bxfs\b/m) || has(/^@\^/m)) return "ol7";
  if (has(/^\s*key\b/m) || !has(/^\s*%end\b/m)) return "ol5";
  return has(/^\s*install\s*$/m) ? "ol6" : "ol7";
}

// Where it is installed from: `/centos/7/`, `OracleLinux/OL8/`, `rhel-server-5.4`.
function nameIn(text: string): string | undefined {
  const lines = text.split("\n").filter((line) => /^\s*(url|repo|nfs)\b/.test(line));
  const names = /(?:centos|OracleLinux\/OL|rhel|rhel-server|almalinux|rocky|redhat)[-/_]?(\d+)(?![\w])/i;
  return lines.map((line) => names.exec(line)?.[1]).find((major) => major !== undefined);
}

function oneOf(major: string | undefined): Recipe["release"] | undefined {
  const known = ["ol5", "ol6", "ol7", "ol8", "ol9"] as const;
  return known.find((release) => release === `ol${major}`);
}
