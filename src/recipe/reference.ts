import { type JsonSchema, recipeSchema, requiredKeys, siteSchema } from "./json-schema.ts";

/** `docs/recipe.md`: every key of a recipe, from the schema. */
export function recipeReference(): string {
  const schema = recipeSchema();
  const required = requiredKeys();
  return `${head}\n${keyTable(schema, required)}${tail}`;
}

/** A table of every key of a schema, in Markdown. */
export function keyTable(schema: JsonSchema, required: readonly string[] = schema.required ?? []): string {
  const rows = Object.entries(schema.properties ?? {}).flatMap(([key, one]) =>
    rowsOf(key, one, required.includes(key)),
  );
  return `| Key | Value | Default | |\n|---|---|---|---|\n${rows.join("\n")}\n`;
}

/** `docs/site.md`: every key of a site file, from the schema. */
export function siteReference(): string {
  const rows = Object.entries(siteSchema().properties ?? {}).flatMap(([key, one]) =>
    one.oneOf ? one.oneOf.flatMap((variant) => variantRows(key, variant)) : rowsOf(key, one, false),
  );
  return `${siteHead}\n| Key | Value | Default | |\n|---|---|---|---|\n${rows.join("\n")}\n`;
}

const siteHead = `# Site reference

Generated from the schema by \`tbuild recipe schema --of-site --markdown\`. The JSON Schema is in \`docs/site.schema.json\`
(\`tbuild recipe schema --of-site\` prints it). The site file is \`site.yaml\` beside \`recipes/\`. Every key is optional, except
the **bold** ones of a hypervisor, whose other keys depend on its \`kind\`.
`;

function variantRows(path: string, { properties = {}, required = [] }: JsonSchema): string[] {
  return Object.entries(properties).flatMap(([key, one]) =>
    rowsOf(`${path}.${key}`, one, required.includes(key) && key !== "kind"),
  );
}

const head = `# Recipe reference

Generated from the schema by \`tbuild recipe schema --markdown\`. The JSON Schema is in \`docs/recipe.schema.json\`
(\`tbuild recipe schema\` prints it). To use it in an editor, start the recipe with this line:

\`\`\`yaml
# yaml-language-server: $schema=../docs/recipe.schema.json
\`\`\`

\`[]\` stands for the items of a list. **Bold** keys are required, in the recipe or in one that it extends.
`;

const tail = `
## A whole recipe

\`recipes/shop.yaml\` builds Oracle Linux 8 with a second network, a data disk, a repository behind a proxy, a package
from it, an account with a password and a key, and a script. It inherits everything else from \`ol8-base\`.

\`\`\`yaml
# yaml-language-server: $schema=../docs/recipe.schema.json
extends: ol8-base
name: shop
version: 1.0.0
summary: Oracle Linux 8.9 with the shop

machine: { vcpus: 2, memory: 4G, disk: 20G }
nics: [public, storage]
disks:
  - { size: 50G, fs: ext4, mount: /data }
timezone: Europe/Zurich
ports: ["8443:tcp"]

repositories:
  - id: shop
    name: Packages of the shop
    url: http://packages.example.com/el8/
    gpgKey: http://packages.example.com/RPM-GPG-KEY-shop
    proxy: http://proxy.example.com:3128
    enabled: true
packages:
  install: [shop-server]

groups:
  - { name: shop, gid: 1001 }
users:
  - { name: shop, uid: 1001, group: shop, password: { env: SHOP_PASSWORD } }
folders:
  - { path: /home/shop/.ssh, owner: shop, group: shop, mode: "0700" }
  - { path: /data/shop, owner: shop, group: shop, mode: "0750" }
files:
  - path: /home/shop/.ssh/authorized_keys
    from: shop.pub
    owner: shop
    group: shop
    mode: "0600"
scripts:
  - name: swappiness
    run: echo 'vm.swappiness = 10' > /etc/sysctl.d/90-shop.conf
services:
  enable: [shop-server]
\`\`\`

The location of Oracle's repositories on your network goes into \`site.yaml\`. It does not become part of the template:

\`\`\`yaml
mirrors:                            # repository ID → a URL, or a local folder that contains repodata/
  ol8_baseos_latest: /srv/mirror/ol8/baseos/
  ol8_addons: http://mirror.example.com/ol8/addons/
proxy: http://proxy.example.com:3128    # for repositories that have neither a mirror nor their own proxy
\`\`\`

\`\`\`sh
tbuild recipe show shop --resolved  # every value and where it was set
tbuild kickstart shop --check       # whether the installer accepts every line of the kickstart
tbuild doctor shop                  # whether disc, repositories and packages are available
tbuild plan shop                    # what would run, and why
SHOP_PASSWORD=… tbuild recipe shop
\`\`\`

After the packages, tbuild sets up accounts, folders, files, scripts and services, in this order. A script can use
everything that precedes it.

## How values are merged

A recipe \`extends\` another, which may extend a third. Keys are merged and most lists are appended; \`layout\`, \`nics\` and
\`bundles\` are replaced. \`append: [layout]\` and \`replace: [packages.install]\` reverse this. Other sources override the
files, each one the previous:

1. the site file: \`set: { timezone: Europe/Zurich, packages.install+: [strace] }\` in \`site.yaml\`;
2. the environment: \`TBUILD_SET_machine__memory=4G\` (two underscores for a dot);
3. the command line: \`--set machine.memory=4G\`, repeatable. This replaces a list; \`packages.install+=strace\` appends to
   one. \`layout.2.size=8G\` sets the size of the third partition.

\`tbuild recipe show NAME --resolved\` shows every value and where it was set. A recipe never contains secrets. It names
their source instead: \`{ env: NAME }\` or \`{ file: PATH }\`.
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
