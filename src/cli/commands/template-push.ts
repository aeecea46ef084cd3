import type { Command } from "commander";
import { TbuildError } from "../../errors.ts";
import { parseReference, referenceText } from "../../store/exchange/oci/reference.ts";
import { pushStatements, statementsIn } from "../../store/exchange/oci/statements.ts";
import { pushTemplate } from "../../store/exchange/oci/template.ts";
import { rememberPlace } from "../../store/exchange/places.ts";
import { storeFolder } from "../../store/folder/store-folder.ts";
import { interruptible } from "../interrupt.ts";
import { registryOf } from "../open-registry.ts";
import { openTemplate } from "../open-site.ts";
import { progressLine } from "../progress-line.ts";
import { size } from "../words.ts";

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const { home, host, records, find, entry, template } = await openTemplate(command, String(args[0]));
  const { json, plainHttp } = command.opts<{ json?: boolean; plainHttp?: boolean }>();
  const place = parseReference(String(args[1]));
  if (place.which !== undefined)
    throw new TbuildError("usage", `${args[1]}: a name or version is not allowed here`, {
      hint: `Use: tbuild template push ${args[0]} ${referenceText({ registry: place.registry, repository: place.repository })}`,
    });
  const reference = {
    registry: place.registry,
    repository: `${place.repository}/${template.name}`,
    which: template.version,
  };
  const signature = await records.signatureText(template);
  const ancestors = (await find.lineage(entry)).slice(1).map(({ manifest }) => manifest);
  const line = progressLine(json === true);
  const statements = await statementsIn(records, template.name);
  const pushed = await interruptible(async (signal) => {
    const registry = registryOf(host, reference, {
      ...(plainHttp && { plainHttp }),
      signal,
      onWait: (words) => line.show(words),
    });
    const moved = await pushTemplate(storeFolder(home.store), template, reference, registry, {
      signature,
      ancestors,
      progress: (done, total) => line.show("sending", done, total),
    });
    const said = await pushStatements(registry, statements, (text) => records.signStatement(text));
    return { ...moved, said };
  }).finally(line.close);
  const { digest, moved, spared, said } = pushed;
  const { which, ...repository } = reference;
  await rememberPlace(home.store, {
    place: referenceText(repository),
    name: template.name,
    plainHttp: plainHttp === true,
  });
  process.stdout.write(
    json
      ? `${JSON.stringify({ reference: referenceText(reference), digest, moved, spared, statements: said })}\n`
      : `${referenceText(reference)}: ${size(moved)} sent, ${size(spared)} already there${said > 0 ? `; ${said} new revocations, channels and tags` : ""}\n`,
  );
}
