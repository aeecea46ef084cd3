// This file also runs in the browser, in the pages of the catalog.

/** The source of a secret, so that the secret need not be in a file of values. */
export type Reference =
  | { readonly kind: "env"; readonly name: string }
  | { readonly kind: "file"; readonly path: string }
  | { readonly kind: "prompt" };

/** An error in a value, or its absence. */
export interface Fault {
  readonly key: string;
  /** The key of an existing value, at which to show the fault. */
  readonly by?: string;
  readonly text: string;
  readonly weight: "error" | "warning";
}
