import { existsSync } from "node:fs";
import type { Command } from "commander";
import { type FitnessTarget, fitnessTargets, type GuestMode, type OvmdChoice } from "../../choices.ts";
import { exitCodes, TbuildError } from "../../errors.ts";
import { copyDisk } from "../../guest/convert/partitioned-copy.ts";
import { type Conversion, type Converted, planConversion } from "../../guest/convert/plan.ts";
import { findingText, type Verdict } from "../../guest/fitness/finding.ts";
import { type Fitness, fitnessOrWhy, fitnessWords, requireMode } from "../../guest/fitness/fitness.ts";
import { modeOfVmCfg, type VmCfg, vmCfgIn, withVmCfg } from "../../guest/fitness/vm-cfg.ts";
import { localHost } from "../../host/local.ts";
import { lockImage } from "../../image/change/planned-change.ts";
import { nameCopy, namesFor, removeCopy } from "../../image/change/undo.ts";
import { openImageFile } from "../../image/open.ts";
import { jsonText, shown as shownName } from "../../io/escape.ts";
import { asFlag, type ChangeFlags, changeImages, eachImage } from "../change-images.ts";
import { interruptible, stays } from "../interrupt.ts";
import { type NamedImage, withImage } from "../named-image.ts";
import { progressLine } from "../progress-line.ts";
import { viaOption } from "../via-option.ts";
import { coloursFor } from "../words.ts";

interface Flags extends ChangeFlags {
  readonly check?: boolean;
  readonly for?: FitnessTarget;
  readonly to?: GuestMode;
  readonly ovmd?: OvmdChoice;
  readonly out?: string;
  readonly vmCfg?: string;
}

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const flags = command.opts<Flags>();
  const images = args[0] as string[];
  if (flags.vmCfg !== undefined && (!flags.check || images.length > 1))
    throw new TbuildError("usage", "takes --check and one image", {
      subject: "--vm-cfg",
      hint: "For example: tbuild convert --check --for ovm-3.4.5 --vm-cfg vm.cfg System.img.",
    });
  if (flags.check) return checkAll(images, flags);
  if (flags.to === undefined)
    throw new TbuildError("usage", "neither --to nor --check is given", {
      subject: "convert",
      hint: "Convert: tbuild convert --to kvm IMAGE. Check only: tbuild convert --check --for kvm IMAGE.",
    });
  const mode = flags.to;
  const target = flags.for ?? targetOf(mode);
  requireMode(target, mode);
  if (flags.out === undefined) return convertAll(images, mode, target, flags);
  await withCopy(images, flags.out, flags, (copy) =>
    convertAll([copy], mode, target, { ...flags, yes: true }),
  );
}

const copyGoes = "the copy was removed; the image itself was not changed";

// The copy gets its final name after the conversion. If the conversion fails, the copy is removed. If it is
// killed, the next command removes the copy.
async function withCopy(
  images: readonly string[],
  out: string,
  flags: Flags,
  work: (copy: NamedImage) => Promise<void>,
): Promise<void> {
  const [image] = images;
  if (image === undefined || images.length > 1 || flags.plan)
    throw new TbuildError(
      "usage",
      flags.plan ? "--plan and --out exclude each other" : "--out takes one image",
      {
        subject: "convert",
        hint: "The image itself is not changed with --out.",
      },
    );
  const lock = await lockImage(out);
  const { copy } = namesFor(out);
  try {
    if (existsSync(out))
      throw new TbuildError("usage", "exists already", { subject: out, hint: "Name a new file: --out." });
    await removeCopy(out);
    await interruptible(copyGoes, async (signal) => {
      const line = progressLine((flags.json ?? false) || !process.stderr.isTTY);
      await withImage(image, flags, ({ file }) =>
        copyDisk(localHost(), file, copy, { signal, progress: line.show }),
      ).finally(line.close);
    });
    try {
      await work({ name: out, file: copy, shown: (text) => text.replaceAll(copy, () => out) });
      await nameCopy(out);
    } catch (error) {
      await removeCopy(out);
      throw error;
    }
  } finally {
    await lock.release();
  }
}

async function convertAll(
  images: readonly (string | NamedImage)[],
  mode: GuestMode,
  target: FitnessTarget,
  flags: Flags,
): Promise<void> {
  const found: Verdict[] = [];
  await changeImages<Converted>(images, flags, {
    verb: "convert",
    ...(flags.out !== undefined && { stays: copyGoes }),
    plan: (file, options) => planConversion(localHost(), file, conversionOf(mode, flags), options),
    remarks: () => [],
    async after(image, signal) {
      const fitness = await check(image, { ...flags, for: target, to: mode }, signal);
      found.push(fitness.verdict);
      const [, ...about] = lines(image, fitness);
      return {
        lines: [fitnessWords(fitness), ...about.map((line) => line.trim())],
        record: { fitness },
      };
    },
  });
  tell(found);
}

function conversionOf(mode: GuestMode, { ovmd, as }: Flags): Conversion {
  return { mode, ...(ovmd && { ovmd }), ...asFlag({ ...(as !== undefined && { as }) }) };
}

// The target that a converted guest is checked for, unless --for names another.
function targetOf(mode: GuestMode): FitnessTarget {
  return mode === "kvm" ? "kvm" : "xen-4.17";
}

async function checkAll(images: readonly string[], flags: Flags): Promise<void> {
  const target = flags.for;
  if (target === undefined)
    throw new TbuildError("usage", "--for is missing: check for which target?", {
      subject: "convert --check",
      hint: `Available: ${fitnessTargets.join(", ")}.`,
    });
  const config = flags.vmCfg === undefined ? undefined : await vmCfgIn(flags.vmCfg);
  const mode = flags.to ?? (config && modeOfVmCfg(config));
  requireMode(target, mode);
  const asked = { ...flags, for: target, ...(mode && { to: mode }), ...(config && { config }) };
  const found: Verdict[] = [];
  await eachImage(images, flags, stays.unchanged, async (image, signal) => {
    const fitness = await check(image, asked, signal);
    found.push(fitness.verdict);
    process.stdout.write(
      flags.json
        ? `${jsonText({ image: image.name, ...fitness })}\n`
        : `${lines(image, fitness).join("\n")}\n`,
    );
  });
  tell(found);
}

// The worst result decides: first a failure, then unfit, then unknown.
function tell(found: readonly Verdict[]): void {
  if (found.includes("unfit")) process.exitCode ||= 1;
  else if (found.includes("unknown")) process.exitCode ||= exitCodes.unknown;
}

interface CheckFlags extends Flags {
  readonly for: FitnessTarget;
  /** The vm.cfg that starts the image. */
  readonly config?: VmCfg;
}

async function check(named: NamedImage, flags: CheckFlags, signal: AbortSignal): Promise<Fitness> {
  const { file, far, shown } = named;
  const note = (text: string) => void process.stderr.write(`${shown(text)}\n`);
  const options = { readOnly: true, note, watch: { signal }, ...viaOption(flags.via), ...(far && { far }) };
  let isOpened = false;
  try {
    await using guest = await openImageFile(localHost(), file, options);
    isOpened = true;
    const fitness = await fitnessOrWhy(localHost(), { file, guest }, flags.for, flags.to);
    return flags.config ? await withVmCfg(fitness, flags.config, { file, tree: guest.tree }) : fitness;
  } catch (error) {
    // Some disks are known not to boot although their guest cannot be opened. Files that are not disks are
    // not checked.
    const isGuest = error instanceof TbuildError && ["guest", "environment"].includes(error.fault);
    if (isOpened || !isGuest || flags.via !== undefined) throw error;
    const fitness = await fitnessOrWhy(localHost(), { file, why: error.message }, flags.for, flags.to);
    return flags.config ? await withVmCfg(fitness, flags.config, { file }) : fitness;
  }
}

function lines({ name, shown }: NamedImage, fitness: Fitness): string[] {
  const colours = coloursFor(process.stdout);
  const { verdict, boots, findings } = fitness;
  const colour = { fit: colours.green, unfit: colours.red, unknown: colours.yellow }[verdict];
  return [
    `${colours.bold(name)}  ${colour(fitnessWords(fitness))}`,
    ...(boots ? [`  boots ${shownName(boots.kernel)} by ${shownName(boots.config)} of ${boots.volume}`] : []),
    ...findings.map((finding) => `  ${finding.weight}: ${shownName(shown(findingText(finding)))}`),
  ];
}
