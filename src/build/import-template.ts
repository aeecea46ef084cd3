import { basename } from "node:path";
import { type Unpacked, unpackTemplate } from "../bundles/read/unpack.ts";
import { modeOf } from "../choices.ts";
import { TbuildError } from "../errors.ts";
import { portraitOf } from "../guest/describe-guest.ts";
import { factsOf, type GuestFacts } from "../guest/facts.ts";
import { madeFitness } from "../guest/fitness/fitness.ts";
import { readPackageRecords } from "../guest/rpm/records.ts";
import { Survey } from "../guest/survey.ts";
import type { Host } from "../host/host.ts";
import { workFolder } from "../host/temporary.ts";
import { GuestTree } from "../image/tree.ts";
import { openUntrusted } from "../image/untrusted.ts";
import { type Digest, digestOf } from "../model/digest.ts";
import type { StoredDisk } from "../model/disk.ts";
import type { FitnessRecord, GuestRecord, Manifest, PackageRecord, Parameter } from "../model/manifest.ts";
import { rootPasswordKey } from "../model/root-password.ts";
import { domainKeys } from "../vm-cfg/machine.ts";
import { freeVersion } from "./manifest.ts";
import type { BuildContext } from "./step.ts";

export interface ImportOptions {
  /** The name and version. Default: those in its image or its description. */
  readonly name?: string;
  readonly version?: string;
  readonly domainType?: Manifest["domainType"];
  /** The size limits of a disk and of an archive, in bytes. */
  readonly mostBytes: number;
  /** The folder for unpacking. It is empty afterwards. */
  readonly workFolder: string;
  readonly tbuild: string;
  /**
   * The state of the file when it was inspected. If the file has changed since, an `integrity` fault is
   * thrown.
   */
  readonly digest?: Digest;
  readonly signal?: AbortSignal;
  readonly progress?: (text: string, done?: number, total?: number) => void;
}

export interface Imported {
  readonly manifest: Manifest;
  /** False if the same template already exists, with the same disks. */
  readonly isNew: boolean;
  /** Describes what is unknown and what was left out. */
  readonly notes: readonly string[];
}

/**
 * Publishes a template or image from elsewhere as a version. It is unpacked and inspected, and has no
 * lineage.
 */
export async function importTemplate(
  host: Host,
  { store, records }: Pick<BuildContext, "store" | "records">,
  file: string,
  options: ImportOptions,
): Promise<Imported> {
  await using work = await workFolder(options.workFolder);
  const unpacked = await unpackTemplate(host, file, work.path, options);
  if (options.digest !== undefined && options.digest !== unpacked.digest)
    throw new TbuildError("integrity", "was changed meanwhile", {
      subject: file,
      hint: "Wait until nothing writes to it, and start again.",
    });
  options.progress?.("inspecting the guest");
  const domainType = options.domainType ?? unpacked.said.domainType ?? "XEN_HVM_PV_DRIVERS";
  const guest = await inspectDisks(host, unpacked, domainType);
  const disks: StoredDisk[] = [];
  for (const disk of unpacked.disks) {
    options.progress?.(`storing ${disk.name} by digest`);
    const { slot, mode } = disk;
    const stored = await store.putDisk(disk.file, disk.name, options.signal);
    disks.push({ ...stored, ...(slot !== undefined && { slot }), ...(mode && { mode }) });
  }
  const naming = nameOf(file, unpacked, guest, options);
  const notes = [...unpacked.notes, ...guest.unknown, ...naming.notes];
  const there = await store.lines({ kind: "template", name: naming.name });
  const same = [...there.values()].find((one) => sameDisks(one.disks, disks));
  if (same && (options.version === undefined || options.version === same.version)) {
    const manifest = await store.find("template", { name: naming.name, version: same.version });
    if (manifest) {
      // A kill may have come between the two.
      if (!(await records.has(manifest))) await records.put(manifest);
      return { manifest, isNew: false, notes };
    }
  }
  const version =
    options.version ?? (await freeVersion({ name: naming.name, store, records }, "template", naming.version));
  const manifest = manifestOf(file, unpacked, guest, { ...naming, version }, disks, options, notes);
  await records.check(manifest);
  await store.publish(manifest);
  await records.put(manifest).catch((error) => {
    const hint =
      "The version is in the store. Correct this, and import it again: then its record is written, too.";
    throw error instanceof TbuildError ? error.with({ hint }) : error;
  });
  return { manifest, isNew: true, notes };
}

type Inspected = GuestFacts & {
  readonly fitness?: FitnessRecord;
  readonly packages: readonly PackageRecord[];
  readonly portrait?: GuestRecord;
};

/** Inspects the disk with a root file system. Anything that only the kernel can open stays unknown. */
async function inspectDisks(
  host: Host,
  unpacked: Unpacked,
  domainType: Manifest["domainType"],
): Promise<Inspected> {
  const reasons: string[] = [];
  for (const disk of unpacked.disks) {
    try {
      const { tree: opened, mounts } = await openUntrusted(host, disk.file);
      await using tree = opened;
      const volumes = mounts.map(({ volume }) => volume);
      const survey = new Survey(withBounds(tree), volumes);
      const facts = await factsOf(survey);
      const packages = await packagesOf(tree);
      const unknown = [...facts.unknown, ...(typeof packages === "string" ? [`packages: ${packages}`] : [])];
      const portrait = await portrayed(survey, unknown);
      const fitness = await madeFitness(
        host,
        { file: disk.file, guest: { tree, mounts } },
        modeOf[domainType],
      );
      return {
        ...facts,
        packages: typeof packages === "string" ? [] : packages,
        unknown,
        ...portrait,
        fitness: printableFitness(fitness),
      };
    } catch (error) {
      if (!(error instanceof TbuildError)) throw error;
      const why = [error.about(disk.file), ...error.lines].join("; ");
      reasons.push(`inside ${disk.name}: ${why}`);
    }
  }
  const nothing = {
    release: undefined,
    armed: undefined,
    passport: undefined,
    kernel: undefined,
    contract: [],
  };
  return { ...nothing, packages: [], unknown: reasons };
}

// The version is still valid without this, but `diff` shows less.
async function portrayed(survey: Survey, unknown: string[]): Promise<{ readonly portrait?: GuestRecord }> {
  try {
    return { portrait: await portraitOf(survey, {}) };
  } catch (error) {
    if (!(error instanceof TbuildError)) throw error;
    unknown.push(`files and services: ${error.message}`);
    return {};
  }
}

const mostFileBytes = 16 << 20;
const mostBytesTogether = 512 << 20;
const mostNames = 100_000;

/**
 * Limits the guest's data: a hostile image can contain huge sparse files, or very many files, at almost no
 * cost.
 */
function withBounds(tree: GuestTree): GuestTree {
  let [bytesRead, names] = [0, 0];
  const readOnly = async () => {
    throw new Error("an imported guest is read-only");
  };
  return new GuestTree({
    stat: (path) => tree.stat(path),
    async list(path) {
      const found = await tree.list(path);
      names += found.length;
      if (names > mostNames)
        throw new TbuildError("guest", `more than ${mostNames} files exceed the limit`, { subject: path });
      return found;
    },
    async readFile(path) {
      const bytes = (await tree.stat(path))?.size ?? 0;
      if (bytes > mostFileBytes || bytesRead + bytes > mostBytesTogether)
        throw new TbuildError("guest", `${bytes} bytes exceed the limit`, { subject: path });
      bytesRead += bytes;
      return (await tree.read(path)) ?? new Uint8Array();
    },
    writeFile: readOnly,
    makeDir: readOnly,
    makeLink: readOnly,
    unlink: readOnly,
    [Symbol.asyncDispose]: async () => {},
  });
}

const mostDatabaseBytes = 512 << 20;

/** The guest's packages, or the reason why they are not known. */
async function packagesOf(tree: GuestTree): Promise<PackageRecord[] | string> {
  let bytes = 0;
  for (const folder of ["/var/lib/rpm", "/usr/lib/sysimage/rpm"])
    for (const name of await tree.list(folder)) bytes += (await tree.stat(`${folder}/${name}`))?.size ?? 0;
  if (bytes > mostDatabaseBytes) return "the database is larger than 512 MiB";
  try {
    return (await readPackageRecords(tree)) ?? "there is no rpm database";
  } catch (error) {
    if (error instanceof TbuildError) return error.message;
    throw error;
  }
}

interface Naming {
  readonly name: string;
  readonly version: string;
  readonly rehearsal: boolean;
  readonly notes: readonly string[];
}

/** The name to publish under: as requested, otherwise from the image, otherwise from its description. */
function nameOf(file: string, { said }: Unpacked, { passport }: Inspected, options: ImportOptions): Naming {
  const numbered = /^(.*?)-(\d+\.\d+\.\d+)$/.exec(said.name ?? "");
  const [saidName, saidVersion] = numbered ? [numbered[1], numbered[2]] : [said.name, said.version];
  const stem = basename(file).replace(/(?:\.(?:tgz|tar|gz|ova|ovf|img|raw|qcow2|vmdk))+$/i, "");
  const wanted =
    options.name ?? plainName(passport?.name ?? saidName ?? stem) ?? plainName(stem) ?? "imported";
  const rehearsal = passport?.rehearsal ?? wanted.endsWith("-rehearsal");
  if (options.name !== undefined && rehearsal !== wanted.endsWith("-rehearsal"))
    throw new TbuildError("usage", `according to the image, it is ${rehearsal ? "a" : "not a"} rehearsal`, {
      subject: wanted,
      hint: "Names of rehearsals must end in -rehearsal; other names must not.",
    });
  const name = rehearsal && !wanted.endsWith("-rehearsal") ? `${wanted}-rehearsal` : wanted;
  const version =
    [passport?.version, saidVersion].find((one) => /^\d+\.\d+\.\d+$/.test(one ?? "")) ?? "1.0.0";
  return {
    name: rehearsal ? name : name.replace(/-rehearsal$/, ""),
    version,
    rehearsal,
    notes: passport ? [] : ["lineage: its image has no tbuild passport"],
  };
}

/** Turns a text into a valid name: lower-case letters, digits and dashes, starting with a letter. */
function plainName(text: string): string | undefined {
  const name = text
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .replaceAll(/^[^a-z]+|-+$/g, "")
    .slice(0, 60);
  return name === "" ? undefined : name;
}

function manifestOf(
  file: string,
  { kind, said, digest }: Unpacked,
  guest: Inspected,
  naming: Omit<Naming, "notes">,
  disks: readonly StoredDisk[],
  options: ImportOptions,
  notes: string[],
): Manifest {
  if ((options.domainType ?? said.domainType) === undefined)
    notes.push("domain type: not specified; assumed XEN_HVM_PV_DRIVERS (--domain-type overrides)");
  const assumed = [
    ...(said.vcpus === undefined ? ["1 CPU"] : []),
    ...(said.memoryMib === undefined ? ["1024 MiB of memory"] : []),
  ];
  if (assumed.length > 0) notes.push(`machine: its size is unknown; assumed ${assumed.join(" and ")}`);
  if (guest.armed === false) notes.push("first boot: it is not armed; a clone will not configure itself");
  const recipeText = JSON.stringify({ imported: { from: printable(basename(file)), kind } });
  return {
    schema: 1,
    kind: "template",
    name: naming.name,
    version: naming.version,
    made: new Date().toISOString(),
    summary: printable(said.summary ?? `imported from ${basename(file)}`),
    rehearsal: naming.rehearsal,
    release: guest.release
      ? { ...guest.release, name: printable(guest.release.name) }
      : { name: "unknown", major: 0, update: 0 },
    domainType: options.domainType ?? said.domainType ?? "XEN_HVM_PV_DRIVERS",
    ...(guest.fitness && { fitness: guest.fitness }),
    machine: machineOf(said, options.domainType, notes),
    disks,
    kernel: printable(guest.kernel ?? "unknown"),
    recipe: digestOf(recipeText),
    recipeText,
    inputs: { archive: digest },
    packages: guest.packages,
    ...(guest.passport?.id && { passport: printable(guest.passport.id) }),
    ...(guest.portrait && { guest: guest.portrait }),
    ...(guest.armed !== undefined && { armed: guest.armed }),
    contract: contractOf(guest.contract, said.contract ?? []),
    operations: [],
    trial: [],
    bundles: [],
    timings: {},
    tbuild: options.tbuild,
  };
}

/**
 * The described machine. If the domain type was overridden, settings that only the described type uses are
 * omitted.
 */
function machineOf(
  said: Unpacked["said"],
  asked: Manifest["domainType"] | undefined,
  notes: string[],
): Manifest["machine"] {
  const { vcpus = 1, memoryMib = 1024, nics = ["public"], maxVcpus, maxMemoryMib, vifs, drives } = said;
  const isOther = asked !== undefined && asked !== said.domainType;
  const given = Object.entries(said.settings ?? {});
  const left = isOther ? given.filter(([key]) => domainKeys.includes(key)) : [];
  if (left.length > 0)
    notes.push(
      `vm.cfg: ${left.map(([key]) => key).join(", ")} ${left.length === 1 ? "belongs" : "belong"} to another domain type than ${asked}, and ${left.length === 1 ? "is" : "are"} left out`,
    );
  const settings = given.filter((one) => !left.includes(one));
  return {
    vcpus,
    memoryMib,
    nics: nics.map(printable),
    ...(maxVcpus !== undefined && { maxVcpus }),
    ...(maxMemoryMib !== undefined && { maxMemoryMib }),
    ...(said.firmware && { firmware: said.firmware }),
    ...(vifs && { vifs }),
    ...(drives && { drives }),
    ...(settings.length > 0 && { settings: Object.fromEntries(settings) }),
  };
}

/** The parameters of the image's modules, then those that only the description names; the root password last. */
function contractOf(inside: readonly Parameter[], said: readonly Parameter[]): Parameter[] {
  const keys = new Set(inside.map(({ key }) => key));
  const all = [...inside, ...said.filter(({ key }) => !keys.has(key))].map((one) => ({
    ...one,
    key: printable(one.key),
    description: printable(one.description),
  }));
  const isLast = ({ key }: Parameter) => key === rootPasswordKey;
  return [...all.filter((one) => !isLast(one)), ...all.filter(isLast)];
}

/** One line without terminal control characters: this text is untrusted and will be shown often. */
function printable(text: string): string {
  return text
    .replaceAll(/\p{C}+/gu, " ")
    .trim()
    .slice(0, 500);
}

// It contains names of the guest's files and volumes.
function printableFitness({ findings, ...record }: FitnessRecord): FitnessRecord {
  return {
    ...record,
    findings: findings.map(({ about, why, ...rest }) => ({
      ...rest,
      about: printable(about),
      why: printable(why),
    })),
  };
}

function sameDisks(one: readonly StoredDisk[], other: readonly StoredDisk[]): boolean {
  return one.length === other.length && one.every((disk, i) => disk.digest === other[i]?.digest);
}
