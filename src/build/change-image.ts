import type { ImagePlace } from "../hypervisor/hypervisor.ts";
import { type OpenedImage, openImageFile } from "../image/open.ts";
import { openFar } from "../image/remote-image.ts";
import { openImage } from "./guest-image.ts";
import { machineName } from "./guest-machine.ts";
import type { BuildContext, StepContext } from "./step.ts";

/**
 * Changes a raw image: on the hypervisor's bench if the site has one, otherwise on this machine. The step's
 * clean-up calls `clearBench` with the same purpose.
 */
export async function changeImage<Result>(
  context: StepContext,
  image: string,
  purpose: string,
  change: (opened: OpenedImage) => Promise<Result>,
): Promise<Result> {
  const { bench } = context.hypervisor;
  if (bench === undefined) {
    await using opened = await openImage(context, image);
    return await change(opened);
  }
  const name = machineName(context, purpose);
  context.progress(`copying the image to ${bench.name}`);
  const place = await bench.put(name, image);
  const result = await changeFar(context, place, change);
  context.progress(`copying the image from ${bench.name}`);
  await bench.take(name, image);
  return result;
}

async function changeFar<Result>(
  context: StepContext,
  place: ImagePlace,
  change: (opened: OpenedImage) => Promise<Result>,
): Promise<Result> {
  const { far, seen } = await openFar(place, place);
  await using _far = far;
  await using opened = await openImageFile(context.host, seen, {
    far,
    via: "kpartx",
    note: (text) => context.report({ type: "note", text: text.replaceAll(far.at, place.address) }),
  });
  return await change(opened);
}

/** Removes the image that a change left on the bench. */
export async function clearBench(
  context: Pick<BuildContext, "id" | "hypervisor">,
  purpose: string,
): Promise<void> {
  await context.hypervisor.bench?.remove(machineName(context, purpose));
}
