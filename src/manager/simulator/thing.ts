/** An object of the simulated Manager. `is` holds what its type has, with ids for references. */
export interface Thing {
  readonly id: string;
  readonly type: string;
  name: string;
  description: string;
  readonly is: Record<string, string | number | boolean | undefined>;
}
