import type { Thing, World } from "../world.ts";

/** Objects of a type that refer to another by `key`. */
export function of(world: World, type: string, key: string, id: string | undefined): Thing[] {
  return id === undefined ? [] : world.all(type).filter((one) => one.is[key] === id);
}
