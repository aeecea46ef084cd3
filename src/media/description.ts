import { TbuildError } from "../errors.ts";

/** A disc's description, from `.treeinfo`, `.discinfo` and its volume id. */
export interface Description {
  readonly family: string;
  readonly major: number;
  /** A value that is in none of the three is unknown. */
  readonly update?: number;
  readonly arch: string;
  readonly variant?: string;
  /** Paths, if `.treeinfo` names them. */
  readonly kernel?: string;
  readonly initrd?: string;
  readonly stage2?: string;
}

export interface Witnesses {
  readonly treeinfo: string;
  readonly discinfo: string;
  readonly volumeId: string;
}

/** Combines a disc's descriptions. Refuses a disc whose descriptions contradict each other, or that is one of a set. */
export function described({ treeinfo, discinfo, volumeId }: Witnesses): Description {
  const tree = sections(treeinfo);
  const disc = discinfo.split(/\r?\n/, 8).map((line) => line.slice(0, 200).trim());
  const general = tree.general ?? {};
  const { major, update } = release({
    ".treeinfo": numbered(tree.release?.version ?? general.version),
    ".discinfo": releaseIn(disc[1]),
    "the volume id": releaseIn(volumeId),
  });
  const arch = tree.tree?.arch ?? general.arch ?? archIn(disc[2]) ?? archIn(volumeId) ?? "unknown";
  refuseSets(general, disc[3], volumeId, `OL${major}${update === undefined ? "" : `.${update}`}`);
  const images = tree[`images-${arch}`] ?? {};
  const variant = general.variant || /\b(Server|BaseOS|Workstation|Client)\b/.exec(volumeId)?.[1];
  return {
    family: (general.family || disc[1]?.replace(/\s*(Server)?\s*[\d.]+$/, "") || familyIn(volumeId)).trim(),
    major,
    ...(update !== undefined && { update }),
    arch,
    ...(variant && { variant }),
    ...(images.kernel && { kernel: images.kernel }),
    ...(images.initrd && { initrd: images.initrd }),
    ...(tree.stage2?.mainimage && { stage2: tree.stage2.mainimage }),
  };
}

interface Told {
  readonly major: number;
  readonly update?: number;
}

// Some name only the major release, which is not a contradiction.
function release(witnesses: Readonly<Record<string, Told | undefined>>): Told {
  const told = Object.entries(witnesses).flatMap(([who, what]) => (what ? [{ who, ...what }] : []));
  const [first] = told;
  if (!first)
    throw new TbuildError("integrity", "is not an installation disc", {
      hint: "It has neither .treeinfo nor .discinfo, and its volume ID names no release. tbuild needs the DVD.",
    });
  const exact = told.find((one) => one.update !== undefined);
  const other = told.find(
    (one) =>
      one.major !== first.major ||
      (one.update !== undefined && exact?.update !== undefined && one.update !== exact.update),
  );
  if (other)
    throw new TbuildError("integrity", "contradicts itself", {
      hint: told
        .map((one) => `${one.who} says ${one.major}${one.update === undefined ? "" : `.${one.update}`}`)
        .join(", "),
    });
  return exact ?? first;
}

/** An unattended installation cannot change CDs. */
function refuseSets(
  general: Readonly<Record<string, string>>,
  number: string | undefined,
  volumeId: string,
  name: string,
): void {
  const wantDvd = { hint: "An unattended installation cannot change discs. Use the DVD." };
  const disc =
    Number(
      /^\d+$/.exec(number ?? "")?.[0] ?? general.discnum ?? /\bDisc (\d+)\b/i.exec(volumeId)?.[1] ?? 1,
    ) || 1;
  const total = Number(general.totaldiscs ?? 1) || 1;
  if (disc > 1) throw new TbuildError("integrity", `is disc ${disc} of a set of ${name}`, wantDvd);
  if (total > 1) throw new TbuildError("integrity", `is disc 1 of ${total} of ${name}`, wantDvd);
}

/** `6.10` in `OL6.10 x86_64 Disc 1 20180625`, `Oracle Linux 6.10`, `OL-7.9 Server.x86_64`, `OL-8-9-0-BaseOS-x86_64`. */
function releaseIn(words: string | undefined): Told | undefined {
  const match = /(?:OL|EL|Linux|Server|CentOS)[-_ ]?(\d{1,2})(?:[.-](\d{1,2}))?(?!\d)/i.exec(words ?? "");
  return numbered(match ? `${match[1]}${match[2] === undefined ? "" : `.${match[2]}`}` : undefined);
}

function numbered(version: string | undefined): Told | undefined {
  const match = /^(\d{1,2})(?:\.(\d{1,2}))?(?!\d)/.exec(version ?? "");
  if (!match) return undefined;
  return { major: Number(match[1]), ...(match[2] !== undefined && { update: Number(match[2]) }) };
}

function archIn(words: string | undefined): string | undefined {
  return /x86_64|aarch64|i[36]86|ia64|ppc64(le)?|s390x/.exec(words ?? "")?.[0];
}

function familyIn(volumeId: string): string {
  return /^OL/.test(volumeId) ? "Oracle Linux" : "unknown";
}

function sections(ini: string): Record<string, Record<string, string>> {
  const found: Record<string, Record<string, string>> = Object.create(null);
  let here: Record<string, string> = {};
  for (const line of ini.split(/\r?\n/)) {
    const head = /^\[([^\]]+)\]/.exec(line);
    const equals = line.indexOf("=");
    if (head?.[1] !== undefined) {
      here = Object.create(null);
      found[head[1]] = here;
    } else if (equals > 0 && !/^[#;]/.test(line))
      here[line.slice(0, equals).trim()] = line.slice(equals + 1).trim();
  }
  return found;
}
