import { TbuildError } from "../errors.ts";
import type { ManagerApi, Named } from "./api.ts";
import { chosen, findOne } from "./repeatable-creation.ts";

export interface TemplateImport {
  /** URLs that the Manager's servers can reach; several for a template in several files. */
  readonly urls: readonly string[];
  readonly repository?: string | undefined;
  readonly server?: string | undefined;
  /** The name that the template gets. */
  readonly name?: string | undefined;
  /** The description that the template gets. It contains tbuild's name and version of the template. */
  readonly description?: string | undefined;
  readonly onProgress: (text: string) => void;
}

/** The imported template in the Manager. */
export interface ImportedTemplate extends Named {
  /** Requests that could not be fulfilled; empty if all were. */
  readonly lacking: readonly string[];
}

/**
 * Imports a template archive (`.tgz`, by importTemplate) or an OVA (as an assembly or virtual appliance, then
 * as a template made from it), and finds the new template. Its name and description are set afterwards,
 * because an import does not accept them.
 */
export async function importTemplate(api: ManagerApi, wanted: TemplateImport): Promise<ImportedTemplate[]> {
  const kind = kindOf(wanted.urls);
  const repository = await chosen(api, "Repository", wanted.repository);
  const server =
    wanted.server === undefined ? await firstServer(api) : (await findOne(api, "Server", wanted.server)).name;
  const before = new Set((await api.list("Vm")).map(({ id }) => id));
  if (wanted.name !== undefined && (await api.list("Vm")).some((one) => one.name === wanted.name))
    throw new TbuildError("environment", `already has a virtual machine or template named ${wanted.name}`, {
      subject: api.name,
      hint: "Choose another name with --name.",
    });
  const job = { repository: repository.id, ...(server !== undefined && { server }), urls: wanted.urls };
  wanted.onProgress(`${api.name} fetches ${wanted.urls.length === 1 ? "the file" : "the files"}`);
  if (kind === "template") await api.importTemplate(job);
  else {
    const known = new Set((await api.list("Assembly")).map(({ id }) => id));
    await api.importAssembly(job);
    const [assembly] = (await api.list("Assembly")).filter(({ id }) => !known.has(id));
    if (!assembly)
      throw new TbuildError("environment", "imported the assembly, but does not list it", {
        subject: api.name,
      });
    wanted.onProgress(`${api.name} makes a template from ${assembly.name}`);
    await api.templatesFromAssembly(assembly.id);
  }
  const made = (await api.list("Vm")).filter(({ id }) => !before.has(id));
  if (made.length === 0)
    throw new TbuildError("environment", "reports success, but lists no new template", {
      subject: api.name,
      hint: "Check its web interface; the import may still be in progress.",
    });
  const isOnly = made.length === 1;
  const result: ImportedTemplate[] = [];
  for (const one of made) {
    const name = isOnly ? (wanted.name ?? one.name) : one.name;
    const changes = {
      ...(name !== one.name && { name }),
      ...(wanted.description !== undefined && { description: wanted.description }),
    };
    if (Object.keys(changes).length > 0) await api.editVm(one.id, changes);
    const seen = await api.vm(one.id);
    const lacking = [
      ...(wanted.name !== undefined && seen.name !== wanted.name ? ["the name"] : []),
      ...(wanted.description !== undefined && seen.description !== wanted.description
        ? ["the description: the Manager does not show it"]
        : []),
    ];
    result.push({ id: one.id, name: seen.name, lacking });
  }
  return result;
}

function kindOf(urls: readonly string[]): "template" | "assembly" {
  for (const url of urls)
    if (!URL.canParse(url) || !/^(?:https?|ftp):$/.test(new URL(url).protocol))
      throw new TbuildError("usage", "is not a URL that Oracle VM Manager can fetch", {
        subject: url,
        hint: "It accepts http, https and ftp addresses that its servers can reach. Put the file on a web server.",
      });
  const isOva = urls.map((url) => /\.ova$/i.test(new URL(url).pathname));
  if (isOva.includes(true) && isOva.includes(false))
    throw new TbuildError("usage", "an OVA and a template archive cannot be one template");
  return isOva[0] ? "assembly" : "template";
}

async function firstServer(api: ManagerApi): Promise<string | undefined> {
  return (await api.list("Server"))[0]?.name;
}
