/** An object of the simulated Manager. `is` contains the properties of its type, with ids for references. */
export interface ManagerObject {
  readonly id: string;
  readonly type: string;
  name: string;
  description: string;
  readonly is: Record<string, string | number | boolean | undefined>;
}
