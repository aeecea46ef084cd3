import type { Command } from "commander";
import { sha256 } from "../../build/manifest.ts";
import { TbuildError } from "../../errors.ts";
import { openSite } from "../open-site.ts";
import { table } from "../words.ts";

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const { store } = await openSite(command);
  const [name = "", version] = String(args[0]).split("@");
  const manifest = await store.find("template", { name, ...(version !== undefined && { version }) });
  if (!manifest)
    throw new TbuildError("usage", `${args[0]}: no such template`, {
      hint: "`tbuild template list` shows what there is.",
    });
  if (command.opts<{ json?: boolean }>().json) {
    process.stdout.write(`${JSON.stringify(manifest, undefined, 2)}\n`);
    return;
  }
  const rows = [
    ["template", `${manifest.name}@${manifest.version}${manifest.rehearsal ? "  (a rehearsal)" : ""}`],
    ["summary", manifest.summary],
    ["made", `${manifest.made} by tbuild ${manifest.tbuild}`],
    ["release", `${manifest.release.name}, kernel ${manifest.kernel}`],
    ["domain type", manifest.domainType],
    ["packages", String(manifest.packages.length)],
    ["parameters", manifest.contract.map((parameter) => parameter.key).join(" ")],
    [
      "operations",
      manifest.operations
        .filter((operation) => operation.done.length > 0)
        .map((operation) => operation.name)
        .join(" "),
    ],
    ...Object.entries(manifest.inputs).map(([input, digest]) => [`input ${input}`, digest]),
    ...manifest.disks.map((disk) => [`disk ${disk.name}`, disk.digest]),
    [
      "recipe",
      `${sha256(manifest.recipeText)}${manifest.git ? `, commit ${manifest.git.commit}${manifest.git.dirty ? " with changes" : ""}` : ""}`,
    ],
    ["parent", manifest.parent ?? "none"],
  ];
  process.stdout.write(`${table(rows)}\n`);
}
