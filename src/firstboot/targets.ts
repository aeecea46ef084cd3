/** The targets of ovm-template-config, at which modules run. */
export const targets = [
  "configure",
  "unconfigure",
  "reconfigure",
  "cleanup",
  "suspend",
  "resume",
  "migrate",
  "shutdown",
] as const;
export type Target = (typeof targets)[number];
