import type { Command } from "commander";
import type { FitnessTarget } from "../../choices.ts";
import { exitCodes, type Fault, TbuildError } from "../../errors.ts";
import { type BootCheck, findingText } from "../../guest/fitness/finding.ts";
import { fitnessOrWhy } from "../../guest/fitness/fitness.ts";
import type { Identity } from "../../guest/identity.ts";
import { type Inspection, inspectGuest } from "../../guest/inspect.ts";
import { Survey } from "../../guest/survey.ts";
import { localHost } from "../../host/local.ts";
import { type ImageFacts, imageFacts, type OpenedImage, openImageFile } from "../../image/open.ts";
import { jsonText, shown as shownName } from "../../io/escape.ts";
import { amount } from "../../io/units.ts";
import { interruptible, stays } from "../interrupt.ts";
import { type FarFlags, type NamedImage, withImage } from "../named-image.ts";
import { table } from "../table.ts";
import { viaOption } from "../via-option.ts";
import { size } from "../words.ts";

interface Flags extends FarFlags {
  readonly json?: boolean;
  readonly packages?: boolean;
  readonly via?: string;
  readonly for?: FitnessTarget;
}

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const flags = command.opts<Flags>();
  await interruptible(stays.unchanged, (signal) =>
    withImage(String(args[0]), flags, (image) => inspect(image, flags, signal)),
  );
}

async function inspect(
  named: NamedImage,
  { json = false, packages = false, via, for: target }: Flags,
  signal: AbortSignal,
): Promise<void> {
  const notes: string[] = [];
  const note = (text: string) => void notes.push(named.shown(text));
  const opened = await openGuest(named, via, note, signal);
  // Text from a guest's files must not control the terminal.
  const print = (object: unknown, rows: readonly (readonly string[])[]) =>
    process.stdout.write(
      `${json ? named.shown(jsonText(object, 2)) : table(rows.map((row) => row.map(named.shown).map(shownName)))}\n`,
    );
  if (!("tree" in opened)) {
    print({ ...opened.facts, notes: [...notes, opened.why] }, [
      ...diskRows(opened.facts),
      ["guest", opened.why],
    ]);
    // The same exit code as for commands that need a guest.
    process.exitCode = exitCodes[opened.fault];
    return;
  }
  await using image = opened;
  const pv = await fitnessOrWhy(localHost(), named, "xen-4.17", "pvm");
  const asked = target && (await fitnessOrWhy(localHost(), { file: named.file, guest: image }, target));
  const volumes = image.mounts.map(({ volume }) => volume);
  const inspection = await inspectGuest(new Survey(image.tree, volumes), pv);
  const { tree: _tree, raw: _raw, [Symbol.asyncDispose]: _close, ...facts } = image;
  const rows = [
    ...diskRows(image),
    ...wayRows(image),
    ...guestRows(inspection),
    ...bootRows("as PV", pv),
    ...(asked ? bootRows(`for ${target}`, asked) : []),
    ...notes.map((text) => ["note", text]),
  ];
  print({ ...facts, ...inspection, pv, ...(asked && { for: asked }), notes }, rows);
  if (packages && !json) process.stdout.write(`${packageLines(inspection).join("\n")}\n`);
}

// A disk without a guest can be inspected, too.
async function openGuest(
  { file, far }: NamedImage,
  via: string | undefined,
  note: (text: string) => void,
  signal: AbortSignal,
): Promise<OpenedImage | { facts: ImageFacts; why: string; fault: Fault }> {
  try {
    return await openImageFile(localHost(), file, {
      readOnly: true,
      note,
      watch: { signal },
      ...viaOption(via),
      ...(far && { far }),
    });
  } catch (error) {
    if (!(error instanceof TbuildError) || via !== undefined) throw error;
    const facts = await imageFacts(file, far?.users).catch(() => undefined);
    if (!facts) throw error;
    return { facts, fault: error.fault, why: [error.about(file), ...error.lines].join("; ") };
  }
}

function diskRows({
  file,
  layers,
  bytes,
  table,
  tableFault,
  volumes,
  arrays,
  inUse,
  cutOff,
}: ImageFacts): string[][] {
  const membersOf = (name: string) =>
    arrays.find((array) => array.name === name)?.legs.map((leg) => leg.name) ?? [];
  return [
    ["image", `${file}, ${size(bytes)}`],
    [
      "format",
      layers.map((layer, i) => (i === 0 ? layer.format : `on ${layer.format} ${layer.file}`)).join(", "),
    ],
    [
      "table",
      [{ mbr: "MBR", gpt: "GPT", none: "none" }[table], ...(tableFault ? [tableFault] : [])].join(", "),
    ],
    ...volumes.map(({ name, fs, bytes, label, uuid, pieces, refused, holds, isDirty }) => [
      `  ${name}`,
      [
        refused ?? holds ?? fs,
        size(bytes),
        ...(label === undefined ? [] : [`label ${label}`]),
        ...(uuid === undefined ? [] : [uuid]),
        ...(pieces ? [`in ${amount(pieces.length, "piece")}`] : []),
        ...(membersOf(name).length > 0 ? [`a mirror (MD RAID1) of ${membersOf(name).join(" and ")}`] : []),
        ...(isDirty ? ["not cleanly unmounted"] : []),
      ].join(", "),
    ]),
    ...cutOff.map((what) => ["cut off", what]),
    ...inUse.map((who) => ["in use", `by ${who}`]),
  ];
}

function wayRows({ mounts, others, access, why }: OpenedImage): string[][] {
  const left = why.length > 0 ? ` (not ${why.join("; not ")})` : "";
  return [
    ["mounts", mounts.map(({ at, volume }) => `${volume.name} on ${at}`).join(", ")],
    ...others
      .filter(({ state }) => state === "unknown")
      .map(({ name, why }) => ["not inspected", `${name} ${why}`]),
    ["read by", `${access.name}${left}`],
  ];
}

/** Which kernel would boot, or what prevents it. */
function bootRows(what: string, { verdict, boots, findings }: BootCheck): string[][] {
  const taken = boots ? `: ${boots.kernel} by ${boots.config} of ${boots.volume}` : "";
  return [[what, `${verdict}${taken}`], ...findings.map((finding) => ["", findingText(finding)])];
}

function guestRows(inspection: Inspection): string[][] {
  const { release, kernels, bootLoader, fitness, additions, modules, toArm, identity, passport, packages } =
    inspection;
  return [
    ["release", release?.name ?? "unknown"],
    ...kernels.map(({ version, initramfs, hasInitramfs }) => [
      "kernel",
      `${version}, ${hasInitramfs ? initramfs : "without an initramfs"}`,
    ]),
    ["boot loader", bootLoader ? `${bootLoader.kind}, ${bootLoader.file}` : "none found"],
    ...(bootLoader?.entries ?? []).map((entry) => ["  entry", entry]),
    ...(fitness === undefined ? [] : [["fit for", fitness]]),
    ["additions", additions.join(" ") || "none"],
    ["modules", modules.join(" ") || "none"],
    ...(toArm ? [["armed", toArm.length === 0 ? "yes" : `no: ${toArm.join(", ")}`]] : []),
    ...identityRows(identity),
    ...(passport ? [["made by tbuild", `${passport.name} ${passport.version}, ${passport.made}`]] : []),
    ...(packages ? [["packages", `${packages.length} (--packages lists them)`]] : []),
    ...inspection.unknown.map((what) => ["not known", what]),
  ];
}

const identityWords: Record<keyof Identity, string> = {
  hostname: "host name",
  addresses: "address",
  hostKeys: "host key",
  machineId: "machine id",
  macs: "MAC",
  randomSeed: "random seed",
  iscsiInitiator: "iSCSI initiator",
};

function identityRows(identity: Identity): string[][] {
  const rows = (Object.keys(identityWords) as (keyof Identity)[]).flatMap((key) =>
    [identity[key] ?? []].flat().map((value) => [`  ${identityWords[key]}`, value]),
  );
  return rows.length === 0 ? [["identity", "none"]] : [["identity", amount(rows.length, "mark")], ...rows];
}

function packageLines({ packages = [] }: Inspection): string[] {
  return packages.map(
    ({ name, version, release, arch }) => `${name}-${version}-${release}${arch ? `.${arch}` : ""}`,
  );
}
