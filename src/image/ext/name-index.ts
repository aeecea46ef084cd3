import { randomInt } from "node:crypto";

/**
 * Finds the place of a name, with eight bytes for each name: a map of strings takes a hundred and more, and a
 * folder may have a million. Places are multiples of 4. The names themselves are read from their places.
 */
export class NameIndex {
  readonly #nameAt: (place: number) => Buffer;
  // Open addressing. A place is kept as a quarter of it, above the two marks.
  #slots = new Uint32Array(64);
  #used = 0;
  #size = 0;
  // Random, so that nobody can choose names that all get the same slot.
  readonly #seed = randomInt(2 ** 32);

  constructor(nameAt: (place: number) => Buffer) {
    this.#nameAt = nameAt;
  }

  get(name: Buffer): number | undefined {
    const slot = this.#find(name);
    return slot === undefined ? undefined : placeOf(this.#slots[slot] ?? empty);
  }

  set(name: Buffer, place: number): void {
    const found = this.#find(name);
    if (found !== undefined) {
      this.#slots[found] = slotValue(place);
      return;
    }
    if ((this.#used + 1) * 2 > this.#slots.length) this.#rebuild();
    this.#insert(name, slotValue(place));
    this.#size++;
  }

  /** While the name is still at its place. */
  delete(name: Buffer): void {
    const slot = this.#find(name);
    if (slot === undefined) return;
    this.#slots[slot] = removed;
    this.#size--;
  }

  #find(name: Buffer): number | undefined {
    const mask = this.#slots.length - 1;
    for (let slot = this.#hash(name) & mask; ; slot = (slot + 1) & mask) {
      const value = this.#slots[slot] ?? empty;
      if (value === empty) return undefined;
      if (value !== removed && this.#nameAt(placeOf(value)).equals(name)) return slot;
    }
  }

  #insert(name: Buffer, value: number): void {
    const mask = this.#slots.length - 1;
    let slot = this.#hash(name) & mask;
    while ((this.#slots[slot] ?? empty) > removed) slot = (slot + 1) & mask;
    if (this.#slots[slot] === empty) this.#used++;
    this.#slots[slot] = value;
  }

  // Without removed names, and with room for twice as many.
  #rebuild(): void {
    const old = this.#slots;
    this.#slots = new Uint32Array(2 ** Math.ceil(Math.log2((this.#size + 16) * 4)));
    this.#used = 0;
    for (const value of old) if (value > removed) this.#insert(this.#nameAt(placeOf(value)), value);
  }

  // FNV-1a.
  #hash(name: Buffer): number {
    let hash = this.#seed;
    for (const byte of name) hash = Math.imul(hash ^ byte, 0x01000193);
    return (hash ^ (hash >>> 15)) >>> 0;
  }
}

const [empty, removed] = [0, 1];
const marks = 2;

function slotValue(place: number): number {
  return place / 4 + marks;
}

function placeOf(value: number): number {
  return (value - marks) * 4;
}
