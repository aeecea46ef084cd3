/** The name of a template's rehearsal. */
export function rehearsalName(name: string): string {
  return name.endsWith("-rehearsal") ? name : `${name}-rehearsal`;
}
