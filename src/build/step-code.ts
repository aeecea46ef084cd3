import { type CodeDigestOptions, codeDigest } from "../io/code-digest.ts";

/**
 * Modules that steps import but that cannot affect a result, or whose effect is already an input, together with
 * everything that they import. A path that ends with `/` is a folder.
 */
export const unshaping: Readonly<Record<string, string>> = {
  choices: "the choice itself is an input",
  errors: "only describes errors",
  "host/": "only runs programs and moves files",
  "build/watch/": "reads the console",
  "recipe/recipe": "the values of a recipe are inputs themselves",
  "kickstart/": "the kickstart as rendered is an input",
  "provision/post-script": "its text is part of the kickstart as rendered",
};

/** The digest of the code that shapes a step's result; `module` is the step's `import.meta.url`. */
export function stepCode(module: string, read?: CodeDigestOptions["read"]): Promise<string> {
  return codeDigest(module, { shapes, ...(read && { read }) });
}

function shapes(path: string): boolean {
  return !Object.keys(unshaping).some((one) => (one.endsWith("/") ? path.startsWith(one) : path === one));
}
