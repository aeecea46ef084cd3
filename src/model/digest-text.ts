import { z } from "zod";
import type { Digest } from "./digest.ts";

export const DigestText = z.custom<Digest>(
  (value) => typeof value === "string" && digestPattern.test(value),
  {
    error: "is not sha256: and 64 hex digits",
  },
);

const digestPattern = /^sha256:[0-9a-f]{64}$/;
