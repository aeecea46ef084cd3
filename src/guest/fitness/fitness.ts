import type { FitnessTarget, GuestMode } from "../../choices.ts";
import { TbuildError } from "../../errors.ts";
import type { Host } from "../../host/host.ts";
import { type BootCheck, type CheckedImage, type Finding, verdictOf } from "./finding.ts";
import { firmwareCheck } from "./firmware.ts";
import { pvCheck } from "./pv.ts";
import { fstabFindings } from "./root-device.ts";
import { targets } from "./targets.ts";

/** Whether a guest runs at a target in one mode. Nothing is started. */
export interface Fitness extends BootCheck {
  readonly target: FitnessTarget;
  readonly mode: GuestMode;
}

/** Checks a guest for a target; without `mode`, in the first mode of the target. */
export async function fitnessFor(
  host: Host,
  image: CheckedImage,
  name: FitnessTarget,
  mode: GuestMode = targets[name].modes[0] ?? "hvm",
): Promise<Fitness> {
  const target = targets[name];
  if (mode !== "pvm" && !target.modes.includes(mode))
    throw new TbuildError("usage", `--to ${mode}: ${target.title} does not run guests that way`, {
      hint: `Available there: ${target.modes.join(", ")}.`,
    });
  if (mode === "pvm" && (!target.pygrub || !target.modes.includes("pvm"))) {
    const why = target.pvm ?? "it is not Xen and has no paravirtual guests";
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
  const own = image.guest ? await fstabFindings(image.guest.tree, mode) : [];
  const about: Finding[] =
    target.pvm === undefined ? [] : [{ weight: "remark", about: target.title, why: target.pvm }];
  const all = [...findings, ...own, ...about];
  return { target: name, mode, verdict: verdictOf(all), ...(boots && { boots }), findings: all };
}
