import type { FitnessTarget, GuestMode } from "../../choices.ts";
import { TbuildError } from "../../errors.ts";
import type { Host } from "../../host/host.ts";
import type { FitnessRecord } from "../../model/manifest.ts";
import { type BootCheck, type CheckedImage, type Finding, orReason, verdictOf } from "./finding.ts";
import { firmwareCheck } from "./firmware.ts";
import { pvCheck } from "./pv.ts";
import { fstabFindings } from "./root-device.ts";
import { targets } from "./targets.ts";
import { boundedView } from "./volume-files.ts";

/** Checks whether a guest runs at a target in one mode. Nothing is started. */
export interface Fitness extends BootCheck {
  readonly target: FitnessTarget;
  readonly mode: GuestMode;
}

/** The check, or the reason why the image could not be read. */
export async function fitnessOrWhy(...asked: Parameters<typeof fitnessFor>): Promise<Fitness> {
  const [, , target, mode = targets[target].modes[0] ?? "hvm"] = asked;
  const found = await orReason(fitnessFor(...asked));
  if (!("why" in found)) return found.value;
  return {
    target,
    mode,
    verdict: "unknown",
    findings: [{ weight: "unknown", about: "image", why: found.why }],
  };
}

/** Checks a guest for its own target: KVM, or Xen in the version whose pygrub is emulated exactly. */
export async function madeFitness(host: Host, image: CheckedImage, mode: GuestMode): Promise<FitnessRecord> {
  const { boots: _, ...record } = await fitnessOrWhy(host, image, mode === "kvm" ? "kvm" : "xen-4.17", mode);
  return { ...record, findings: [...record.findings] };
}

/** `fit as pvm on Xen 4.17`, `unfit for KVM`. */
export function fitnessWords({ target, mode, verdict }: Fitness): string {
  const words = { fit: "fit", unfit: "unfit", unknown: "unknown whether it is fit" }[verdict];
  const { title } = targets[target];
  return mode === "kvm" ? `${words} for ${title}` : `${words} as ${mode} on ${title}`;
}

/** Refuses a mode that a target does not have, before anything is opened. */
export function requireMode(name: FitnessTarget, mode: GuestMode | undefined): void {
  const target = targets[name];
  if (mode === undefined || mode === "pvm" || target.modes.includes(mode)) return;
  throw new TbuildError("usage", `${target.title} cannot run ${mode} guests`, {
    subject: `--to ${mode}`,
    hint: `Available there: ${target.modes.join(", ")}.`,
  });
}

/** Checks a guest for a target; without `mode`, in the first mode of the target. */
export async function fitnessFor(
  host: Host,
  image: CheckedImage,
  name: FitnessTarget,
  mode: GuestMode = targets[name].modes[0] ?? "hvm",
): Promise<Fitness> {
  const target = targets[name];
  requireMode(name, mode);
  if (mode === "pvm" && (!target.pygrub || !target.modes.includes("pvm"))) {
    const why = target.pvm ?? "it is not Xen, so it has no paravirtual guests";
    const finding: Finding = {
      weight: "unfit",
      about: target.title,
      why,
      remedy: `run it there as ${target.modes[0]}: tbuild convert --check --for ${name} --to ${target.modes[0]}`,
    };
    return { target: name, mode, verdict: "unfit", findings: [finding] };
  }
  const { boots, findings } =
    mode === "pvm" ? await pvCheck(host, image.file, target.pygrub) : await firmwareCheck(image, name, mode);
  const own = image.guest ? await fstabFindings(boundedView(image.guest.tree), mode) : [];
  const about: Finding[] =
    target.pvm === undefined ? [] : [{ weight: "remark", about: target.title, why: target.pvm }];
  const all = [...findings, ...own, ...about];
  return { target: name, mode, verdict: verdictOf(all), ...(boots && { boots }), findings: all };
}
