import type { Ingredients } from "../master.ts";

/** What the cache needs to know of a recipe. */
export type Made = Pick<Ingredients, "recipe" | "passwords">;
