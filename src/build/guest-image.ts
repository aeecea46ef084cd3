import { dirname, relative } from "node:path";
import { type OpenedImage, openImageFile } from "../image/open.ts";
import type { StepContext } from "./step.ts";

/** Opens a raw image of a guest by the site's access method. Changes are written when it is closed. */
export async function openImage(
  context: StepContext,
  image: string,
  options: { readonly readOnly?: boolean } = {},
): Promise<OpenedImage> {
  const { kind } = context.site.images;
  return openImageFile(context.host, image, {
    ...options,
    ...(kind !== "auto" && { via: kind }),
    note: (text) => context.report({ type: "note", text }),
  });
}

/**
 * Makes an overlay of a disk in the folder of an earlier step. It refers to that disk by a relative path, so
 * both can be moved.
 */
export async function makeOverlay(
  { host }: Pick<StepContext, "host">,
  disk: string,
  format: "raw" | "qcow2",
  image: string,
): Promise<void> {
  const base = relative(dirname(image), disk);
  await host.run(["qemu-img", "create", "-q", "-f", "qcow2", "-b", base, "-F", format, image]);
}
