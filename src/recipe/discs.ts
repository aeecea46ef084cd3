import { majorOf, type Recipe } from "./recipe.ts";

/** The known facts about the installation disc of one update. */
export interface Disc {
  readonly file: string;
  readonly volumeId?: string;
  readonly bytes?: number;
  readonly sha256?: string;
}

/** The last update of each release. */
export const lastUpdate: Readonly<Record<Recipe["release"], number>> = {
  ol5: 11,
  ol6: 10,
  ol7: 9,
  ol8: 10,
  ol9: 10,
};

/** The disc of a recipe: the known facts about its update, overridden by the recipe. */
export function discOf(recipe: Pick<Recipe, "release" | "update" | "iso">): Disc {
  const said = Object.fromEntries(Object.entries(recipe.iso).filter(([, value]) => value !== undefined));
  return { ...knownDisc(recipe.release, recipe.update), ...said };
}

/** The known facts about the disc of an update. */
export function knownDisc(release: Recipe["release"], update: number): Disc {
  const major = majorOf(release);
  const volumeId = volumeIdOf(major, update);
  const sectors = sectorsOf[release][update];
  const sha256 = digests[`${major}.${update}`];
  return {
    file: fileOf(major, update),
    ...(volumeId !== undefined && { volumeId }),
    ...(sectors !== undefined && { bytes: sectors * 2048 }),
    ...(sha256 !== undefined && { sha256 }),
  };
}

function fileOf(major: number, update: number): string {
  // Of OL5, only 5.8 has the later name, as mirrors show.
  if (major === 5)
    return `${update === 8 ? "OracleLinux" : "Enterprise"}-R5-U${update}-Server-x86_64-dvd.iso`;
  return `OracleLinux-R${major}-U${update}-${major <= 7 ? "Server-" : ""}x86_64-dvd.iso`;
}

// Read from the discs by osinfo-db: OL6 has the date of the disc in its id. There is no record of OL5's.
function volumeIdOf(major: number, update: number): string | undefined {
  if (major === 5) return undefined;
  if (major === 6) {
    const day = daysOfOl6[update];
    return day === undefined ? undefined : `OL6.${update} x86_64 Disc 1 ${day}`;
  }
  return major === 7 ? `OL-7.${update} Server.x86_64` : `OL-${major}-${update}-0-BaseOS-x86_64`;
}

const daysOfOl6 = [
  20110203, 20110526, 20111212, 20120626, 20130225, 20131125, 20141018, 20150728, 20160518, 20170324,
  20180625,
];

// Sizes of the volumes in sectors of 2048 bytes, by update; from osinfo-db. Its OL9.3 is OL8.5's, so it is left out.
const sectorsOf: Readonly<Record<Recipe["release"], readonly (number | undefined)[]>> = {
  ol5: [],
  ol6: [1657290, 1734697, 1753594, 1794593, 1817365, 1897030, 1881190, 1910925, 1954037, 1976550, 1988222],
  ol7: [2036769, 2096140, 2178717, 2265338, 2411246, 2168016, 2232049, 2310718, 2337065, 2371226],
  ol8: [undefined, 3770517, 4070554, 4509583, 4848888, 5212560, 5541221, 5889659, 6061158, 6559514],
  ol9: [4447854, 4742894, 5013148],
};

// Oracle's checksum files are at https://linux.oracle.com/security/gpg/checksum/. These sums are quoted from
// public build files. Two or more independent files agree on each (for 8.9, only one file was found, and its
// other sums are correct). A wrong sum can only refuse a good disc, never accept a wrong one.
const digests: Readonly<Record<string, string>> = {
  "6.10": "625044388ee60a031965a42a32f4c1de0c029268975edcd542fd14160e0dadcb",
  "7.9": "28d2928ded40baddcd11884b9a6a611429df12897784923c346057ec5cdd1012",
  "8.8": "cae39116245ff7c3c86d5305d9c11430ce5c4e512987563435ac59c37a082d7e",
  "8.9": "ce90b598be2e9889fa880128fc53b3e9c1f95d9e31859759e5e180602312c181",
  "8.10": "7676a80eeaafa16903eebb2abba147a3afe230b130cc066d56fdd6854d8da900",
  "9.2": "cac3c41cc2d3467ba8902a5d74575bcf460f129634d5a0d1d67d87094dd70b09",
  "9.4": "77034a4945474cb7c77820bd299cac9a557b8a298a5810c31d63ce404ad13c5e",
};
