import { type OpenedImage, openImageFile } from "../image/open.ts";
import type { StepContext } from "./step.ts";

/** Opens a raw image of a guest in the way that the site configures. Changes are written when it is closed. */
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
