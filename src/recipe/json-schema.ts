import { z } from "zod";
import { Recipe } from "./recipe.ts";
import { Site } from "./site.ts";

/** The part of JSON Schema that recipes and sites use. */
export interface JsonSchema {
  readonly type?: string;
  readonly title?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly required?: readonly string[];
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly additionalProperties?: JsonSchema | boolean;
  readonly items?: JsonSchema;
  readonly oneOf?: readonly JsonSchema[];
  readonly anyOf?: readonly JsonSchema[];
}

/** The JSON Schema of a recipe file, for editors. A file that extends another may omit any key. */
export function recipeSchema(): JsonSchema {
  const { $schema, ...whole } = z.toJSONSchema(Recipe, { io: "input" }) as JsonSchema & { $schema: string };
  const { required: _, properties, ...rest } = partial(whole);
  return {
    $schema,
    title: "A recipe of tbuild",
    ...rest,
    properties: { ...ofFiles, ...properties },
  } as JsonSchema;
}

/** The JSON Schema of a site file, for editors. */
export function siteSchema(): JsonSchema {
  const { $schema, ...whole } = z.toJSONSchema(Site, { io: "input" }) as JsonSchema & { $schema: string };
  return { $schema, title: "A site of tbuild", ...whole } as JsonSchema;
}

/** Keys that a recipe, or one that it extends, must set. */
export function requiredKeys(): readonly string[] {
  return (z.toJSONSchema(Recipe, { io: "input" }) as JsonSchema).required ?? [];
}

const lists = { type: "array", items: { type: "string" } } as const;

// Keys that exist only in a file, not in a resolved recipe.
const ofFiles: Readonly<Record<string, JsonSchema>> = {
  extends: {
    type: "string",
    description: "The recipe to inherit from, which may itself extend another.",
  },
  append: {
    ...lists,
    description:
      "Lists in this file, such as `layout`, to append to the inherited list instead of replacing it.",
  },
  replace: {
    ...lists,
    description:
      "Lists in this file, such as `packages.install`, to replace the inherited list instead of appending to it.",
  },
};

// Items of lists are complete; other keys may be inherited.
function partial(schema: JsonSchema): JsonSchema {
  if (schema.properties === undefined) return schema;
  const { required: _, ...rest } = schema;
  return {
    ...rest,
    properties: Object.fromEntries(
      Object.entries(schema.properties).map(([key, one]) => [key, partial(one)]),
    ),
  };
}
