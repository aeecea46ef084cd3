import { parseReference, type Reference, referenceText } from "../../store/exchange/oci/reference.ts";

/** Where the entries of a template are. */
export function entryPlace(place: string, name: string): Reference {
  const { registry, repository } = parseReference(place);
  return { registry, repository: `${repository}/${name}` };
}

/** The reference of an entry as people see it, with its key shortened. */
export function shortReference({ which = "", ...place }: Reference): string {
  return `${referenceText(place)}:${which.slice(0, 12)}`;
}

export function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
