import type { Ingredients } from "../master.ts";

/** The part of a recipe that the cache needs. */
export type Made = Pick<Ingredients, "recipe" | "passwords">;
