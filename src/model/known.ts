import type { Manifest } from "./manifest.ts";

/** What is known of a template's seal and first boot, as one sentence that claims no more. */
export function firstBootSentence({ seal, armed = seal?.armed }: Pick<Manifest, "seal" | "armed">): string {
  const sealed = seal ? "Sealed" : "Nobody proved that it is sealed";
  if (armed === undefined) return `${sealed}; whether it configures itself at first boot is not known.`;
  if (!armed) return `${sealed}; it is not armed: it does not configure itself at first boot.`;
  return `${sealed}${seal ? ":" : ";"} it configures itself at first boot, when it gets its messages, com.oracle.linux.root-password last.`;
}
