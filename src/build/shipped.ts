import { fileURLToPath } from "node:url";

const root = (folder: string) => fileURLToPath(new URL(`../../${folder}`, import.meta.url));

/** The folders of the tbuild package. They supply what the user's own folders do not contain. */
export const shipped = {
  recipes: root("recipes"),
  kickstarts: root("kickstart"),
  recipeRepo: root("recipe-repo"),
} as const;
