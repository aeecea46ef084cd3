import { type JsonSchema, recipeSchema, requiredKeys } from "./schema.ts";

/** `docs/recipe.md`: every key of a recipe, from the schema. */
export function recipeReference(): string {
  const schema = recipeSchema();
  const required = requiredKeys();
  const rows = Object.entries(schema.properties ?? {}).flatMap(([key, one]) =>
    rowsOf(key, one, required.includes(key)),
  );
  return `${head}\n| Key | Value | Default | |\n|---|---|---|---|\n${rows.join("\n")}\n${tail}`;
}

const head = `# The keys of a recipe

Made from the schema by \`tbuild recipe schema --markdown\`; a test holds it to it. \`tbuild recipe schema\` prints the JSON
Schema, and \`docs/recipe.schema.json\` is that; the first line of a recipe tells an editor of it:

\`\`\`yaml
# yaml-language-server: $schema=../docs/recipe.schema.json
\`\`\`

\`[]\` stands for the items of a list. **Bold** keys must be said, by the recipe or by one that it extends.
`;

const tail = `
## How values come together

A recipe \`extends\` another, which may extend a third. Groups of keys grow into each other and lists grow; \`layout\`,
\`nics\` and \`bundles\` are replaced as a whole. \`append: [layout]\` and \`replace: [packages.install]\` turn that round.
Over what the files say come, each over the one before:

1. the site: \`set: { timezone: Europe/Zurich, packages.install+: [strace] }\` in \`site.yaml\`;
2. the environment: \`TBUILD_SET_machine__memory=4G\` (two underscores for a dot);
3. the command line: \`--set machine.memory=4G\`, as often as needed. A list is replaced by it, \`packages.install+=strace\`
   adds to one, and \`layout.2.size=8G\` is the size of the third partition.

\`tbuild recipe show NAME --resolved\` shows every value and what said so. A secret never stands in a recipe: where one is
needed, it says where it is found, \`{ env: NAME }\` or \`{ file: PATH }\`.
`;

function rowsOf(path: string, schema: JsonSchema, required: boolean): string[] {
  const own = row(path, schema, required);
  const inner = schema.properties ? { prefix: path, of: schema } : itemsOf(path, schema);
  if (!inner?.of.properties) return [own];
  return [
    own,
    ...Object.entries(inner.of.properties).flatMap(([key, one]) =>
      rowsOf(`${inner.prefix}.${key}`, one, inner.of.required?.includes(key) ?? false),
    ),
  ];
}

function itemsOf(path: string, schema: JsonSchema) {
  return schema.items?.properties ? { prefix: `${path}[]`, of: schema.items } : undefined;
}

function row(path: string, schema: JsonSchema, required: boolean): string {
  const cells = [
    required ? `**${path}**` : path,
    kind(schema),
    defaultOf(schema),
    schema.description ?? schema.items?.description ?? "",
  ];
  return `| ${cells.map((cell) => cell.replaceAll("|", "\\|").replaceAll("\n", " ")).join(" | ")} |`;
}

function kind(schema: JsonSchema): string {
  if (schema.enum) return schema.enum.map((word) => `\`${word}\``).join(", ");
  if (schema.const !== undefined) return `\`${schema.const}\``;
  if (schema.anyOf) return schema.anyOf.map(kind).join(" or ");
  if (schema.items) return `list: ${kind(schema.items)}`;
  if (schema.properties)
    return Object.keys(schema.properties).length === 1
      ? `{ ${Object.keys(schema.properties)[0]}: … }`
      : "keys";
  if (typeof schema.additionalProperties === "object") return "any keys with text";
  if (schema.type === "integer") return `${schema.minimum} … ${schema.maximum ?? ""}`.trim();
  return (
    schema.title ?? (schema.pattern === undefined ? (schema.type ?? "anything") : `\`${schema.pattern}\``)
  );
}

function defaultOf(schema: JsonSchema): string {
  if (schema.default === undefined || JSON.stringify(schema.default) === "{}") return "";
  return Array.isArray(schema.default) && schema.default.length === 0
    ? "none"
    : `\`${typeof schema.default === "string" ? schema.default : JSON.stringify(schema.default)}\``;
}
