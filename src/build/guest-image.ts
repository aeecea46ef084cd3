import type { Volume } from "../image/access.ts";
import { mountsOf } from "../image/disk.ts";
import { chooseAccess } from "../image/index.ts";
import type { GuestTree } from "../image/tree.ts";
import type { StepContext } from "./step.ts";

export interface OpenedImage extends AsyncDisposable {
  readonly tree: GuestTree;
  readonly volumes: readonly Volume[];
}

/** Opens a raw image of a guest by the way that asks for least and can do it. Its changes are made when it is closed. */
export async function openImage(
  context: StepContext,
  image: string,
  options: { readonly readOnly?: boolean } = {},
): Promise<OpenedImage> {
  const mounts = await mountsOf(image);
  const volumes = mounts.map((mount) => mount.volume);
  const { kind } = context.site.images;
  const access = await chooseAccess(context.host, volumes, {
    ...(kind !== "auto" && { via: kind }),
    note: (text) => context.report({ type: "note", text }),
  });
  const tree = await access.open(image, mounts, options);
  return { tree, volumes, [Symbol.asyncDispose]: () => tree[Symbol.asyncDispose]() };
}
