import type { ManagerObject, World } from "../world.ts";

/** Objects of a type that refer to another by `key`. */
export function of(world: World, type: string, key: string, id: string | undefined): ManagerObject[] {
  return id === undefined ? [] : world.all(type).filter((one) => one.is[key] === id);
}
