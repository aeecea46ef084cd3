import { z } from "zod";

/**
 * The start of an undo record: a description of the change, its time (ISO 8601, UTC), and the sizes of the image in bytes.
 * `others` are the images that were changed with it, as paths from its folder.
 */
export const Head = z.object({
  what: z.string(),
  when: z.string(),
  size: z.int().nonnegative(),
  sizeAfter: z.int().nonnegative(),
  others: z
    .array(
      z.object({
        file: z.string().min(1),
        size: z.int().nonnegative(),
        sizeAfter: z.int().nonnegative(),
      }),
    )
    .max(31)
    .optional(),
});
export type Head = Readonly<z.infer<typeof Head>>;
