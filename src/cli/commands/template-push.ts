import type { Command } from "commander";
import { TbuildError } from "../../errors.ts";
import { parseReference, type Reference, referenceText } from "../../store/exchange/oci/reference.ts";
import { pushTemplate } from "../../store/exchange/oci/template.ts";
import { rememberPlace } from "../../store/exchange/places.ts";
import { storeFolder } from "../../store/folder/store-folder.ts";
import { finder } from "../../store/records/finder.ts";
import { interruptible, stays } from "../interrupt.ts";
import { registryOf } from "../open-registry.ts";
import { openSite, openTemplate } from "../open-site.ts";
import { progressLine } from "../progress-line.ts";
import { sendTo } from "../send-statements.ts";
import { size } from "../words.ts";

interface Options {
  readonly json?: boolean;
  readonly plainHttp?: boolean;
  readonly statements?: boolean;
}

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const options = command.opts<Options>();
  const [ref, to] = args.map(String) as [string, string];
  const place = parseReference(to);
  if (place.which !== undefined)
    throw new TbuildError("usage", "a name or version is not allowed here", {
      subject: to,
      hint: `Use: tbuild template push ${ref} ${referenceText({ registry: place.registry, repository: place.repository })}`,
    });
  if (options.statements) return await pushSaid(ref, place, command, options);
  const { home, host, records, find, entry, template } = await openTemplate(command, ref);
  const reference = {
    registry: place.registry,
    repository: `${place.repository}/${template.name}`,
    which: template.version,
  };
  const signature = await records.signatureText(template);
  const ancestors = (await find.lineage(entry)).slice(1).map(({ manifest }) => manifest);
  const line = progressLine(options.json === true);
  const pushed = await interruptible(stays.sent, async (signal) => {
    const registry = registryOf(host, reference, {
      ...(options.plainHttp && { plainHttp: true }),
      signal,
      onWait: (words) => line.show(words),
    });
    const moved = await pushTemplate(storeFolder(home.store), template, reference, registry, {
      signature,
      ancestors,
      progress: (done, total) => line.show("sending", done, total),
    });
    return { ...moved, said: await sendTo(registry, records, template.name) };
  }).finally(line.close);
  const { digest, moved, spared, said } = pushed;
  await remember(home.store, reference, template.name, options);
  process.stdout.write(
    options.json
      ? `${JSON.stringify({ reference: referenceText(reference), digest, moved, spared, statements: said })}\n`
      : `${referenceText(reference)}: ${size(moved)} sent, ${size(spared)} already there${said > 0 ? `; ${said} new revocations, channels and tags` : ""}\n`,
  );
}

/** Pushes only statements about versions, so the disks need not be here. */
async function pushSaid(ref: string, place: Reference, command: Command, options: Options): Promise<void> {
  const { home, host, store, records } = await openSite(command);
  const name = await finder(store, records).nameOf(ref);
  // The reference may end with the template's name, as in `list` and `pull`.
  const isNamed = place.repository.split("/").at(-1) === name;
  const reference = isNamed ? place : { ...place, repository: `${place.repository}/${name}` };
  const said = await interruptible(stays.sent, async (signal) => {
    const registry = registryOf(host, reference, { ...(options.plainHttp && { plainHttp: true }), signal });
    return await sendTo(registry, records, name);
  });
  await remember(home.store, reference, name, options);
  process.stdout.write(
    options.json
      ? `${JSON.stringify({ reference: referenceText(reference), statements: said })}\n`
      : `${referenceText(reference)}: ${said} new revocations, channels and tags\n`,
  );
}

async function remember(
  store: string,
  { registry, repository }: Reference,
  name: string,
  { plainHttp }: Options,
): Promise<void> {
  await rememberPlace(store, {
    place: referenceText({ registry, repository }),
    name,
    plainHttp: plainHttp === true,
  });
}
