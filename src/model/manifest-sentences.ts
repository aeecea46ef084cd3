import type { Manifest } from "./manifest.ts";

/**
 * What is known about whether a template boots as its domain type, as one sentence that claims nothing more.
 */
export function bootSentence({ domainType, fitness }: Pick<Manifest, "domainType" | "fitness">): string {
  if (!fitness) return `Whether it boots as ${domainType} was not checked.`;
  const { target, mode, verdict, findings } = fitness;
  const why = findings
    .filter(({ weight }) => weight === verdict)
    .map((one) => `${one.about}: ${one.why}`)
    .join("; ");
  const said = {
    fit: "its files show no problem",
    unfit: `it does not boot: ${why}`,
    unknown: `whether it boots is unknown: ${why}`,
  }[verdict];
  return `Checked for ${target} as ${mode}: ${said}.`;
}

/** What is known about a template's seal and first boot, as one sentence that claims nothing more. */
export function firstBootSentence({ seal, armed = seal?.armed }: Pick<Manifest, "seal" | "armed">): string {
  const sealed = seal ? "Sealed" : "It was not verified that it is sealed";
  if (armed === undefined) return `${sealed}; whether it configures itself at first boot is unknown.`;
  if (!armed) return `${sealed}; it is not armed: it does not configure itself at first boot.`;
  return `${sealed}${seal ? ":" : ";"} it configures itself at first boot, when it gets its messages, com.oracle.linux.root-password last.`;
}

/**
 * True if the contract has every parameter. A build asks the guest itself. For an import, parameters are read from the
 * image as far as it can be opened, so some may be missing.
 */
export function hasWholeContract({ recipeText }: Pick<Manifest, "recipeText">): boolean {
  return !/^\{"imported":/.test(recipeText);
}

/** What is known about a template without parameters. */
export function noParametersSentence(manifest: Pick<Manifest, "recipeText">): string {
  return hasWholeContract(manifest)
    ? "This template has no first-boot parameters."
    : "No first-boot parameters of this import are known.";
}
