/**
 * The forms of `from`: what a recipe can start from instead of an installation. The first form that matches
 * is used.
 */
export const origins = [
  {
    kind: "version",
    form: /[a-z][a-z0-9-]{0,59}(?:@[\w.-]{1,64})?/,
    words: "a template in the store (ol6-base, ol6-base@1.2.0, ol6-base@stable)",
  },
  {
    kind: "registry",
    form: /(?:localhost|[A-Za-z0-9-]*[.:[][A-Za-z0-9.:[\]-]*)\/[a-z0-9._/-]+(?::\w[\w.-]*|@sha256:[0-9a-f]{64})/,
    words: "a template in a registry (registry.example/ol6-base:stable)",
  },
  {
    kind: "file",
    form: /(?!.*\p{C}).*[^/]\.(?:tgz|tar(?:\.\w+)?|ova|zip|img|raw|qcow2|vmdk)(?:\.gz)?/u,
    words: "a file (OVM_OL6U10.tgz, template.ova, System.img)",
  },
] as const;

export type Origin = (typeof origins)[number]["kind"];

export const fromForm = new RegExp(`^(?:${origins.map(({ form }) => form.source).join("|")})$`, "u");

export const fromWords = `${origins.map(({ words }) => words).join(", or ")}`;

/** The form of a value. */
export function originOf(from: string): Origin {
  const fitting = origins.find(({ form }) => new RegExp(`^(?:${form.source})$`, "u").test(from));
  return fitting?.kind ?? "version";
}
