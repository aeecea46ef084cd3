import { openQmp, type Qmp } from "./qmp.ts";

/** Connections to the monitors of machines, opened when they are needed. */
export class Sessions {
  readonly #placeOf: (vm: string) => Promise<string>;
  readonly #open = new Map<string, Qmp>();

  /** `placeOf` gives the socket of a machine's monitor. */
  constructor(placeOf: (vm: string) => Promise<string>) {
    this.#placeOf = placeOf;
  }

  async of(vm: string): Promise<Qmp> {
    const known = this.#open.get(vm);
    if (known) return known;
    const opened = await openQmp(await this.#placeOf(vm));
    this.#open.set(vm, opened);
    return opened;
  }

  end(vm: string): void {
    this.#open.get(vm)?.[Symbol.dispose]();
    this.#open.delete(vm);
  }
}
