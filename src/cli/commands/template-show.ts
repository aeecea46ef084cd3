import type { Command } from "commander";
import { exitCodes } from "../../errors.ts";
import { printable } from "../../io/escape.ts";
import { amount } from "../../io/units.ts";
import type { Manifest, Parameter } from "../../model/manifest.ts";
import { isUntried, manifestText, workTime } from "../../model/manifest.ts";
import { bootSentence } from "../../model/manifest-sentences.ts";
import { warningsOf } from "../../store/records/catalog.ts";
import { openFound } from "../open-site.ts";
import { table, tableRows } from "../table.ts";
import { clock, coloursFor, signatureWords, size } from "../words.ts";

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const ref = String(args[0]);
  const { find, records, entry } = await openFound(command, ref);
  const { manifest, digest, channels, tags, here, recorded } = entry;
  if (command.opts<{ json?: boolean }>().json) {
    process.stdout.write(manifestText(manifest));
    return;
  }
  const colours = coloursFor(process.stdout);
  const signature = await records.signature(manifest);
  if (signature.state === "bad") process.exitCode = exitCodes.integrity;
  const lineage = (await find.lineage(entry)).slice(1);
  const rows: [string, string][] = [
    ["template", `${manifest.name}@${manifest.version}${manifest.rehearsal ? "  (a rehearsal)" : ""}`],
    ["channel", channels.join(" ") || "none"],
    ...(tags.length > 0 ? ([["tag", tags.join(" ")]] satisfies [string, string][]) : []),
    ...factsOf(manifest),
    ...madeOf(manifest),
    [
      "built from",
      lineage.map(({ manifest: m }) => `${m.kind} ${m.name}@${m.version}`).join(", ") || "nothing known here",
    ],
    ["digest", digest],
    ["signature", signatureWords(signature, colours)],
    [
      "kept",
      [
        here ? "in this store" : "its disk is missing from this store",
        recorded ? `recorded in ${records.folder}` : "not recorded in the recipe repo",
      ].join("; "),
    ],
  ];
  const warnings = [...(await find.passedOver(ref, entry)), ...warningsOf(entry)].map(
    (text) => `${colours.red("!")} ${text}\n`,
  );
  process.stdout.write(
    `${warnings.join("")}${table(rows.map(([name, value]) => [name, name === "signature" ? value : printable(value)]))}\n`,
  );
}

/** One row per item. Only the first row has the name. */
function listed(name: string, values: readonly string[]): [string, string][] {
  return values.map((value, i) => [i === 0 ? name : "", value]);
}

function parameterWords({ key, required, hidden }: Parameter): string {
  return `${key}${required ? "  required" : ""}${hidden ? "  hidden" : ""}`;
}

function factsOf(manifest: Manifest): [string, string][] {
  const { release, kernel, domainType, machine, contract, packages, guest, seal, trial, disks } = manifest;
  return [
    ["summary", manifest.summary],
    ["release", `${release.name}, kernel ${kernel}`],
    ["domain type", domainType],
    ["boot", bootSentence(manifest)],
    [
      "machine",
      `${amount(machine.vcpus, "vcpu")}, ${machine.memoryMib} MiB, vnics ${machine.nics.join(", ")}${machine.firmware === "uefi" ? ", started by UEFI" : ""}`,
    ],
    ["packages", String(packages.length)],
    ...listed("parameters", contract.map(parameterWords)),
    ...(guest
      ? ([
          ["modules", guest.modules.map(({ name }) => name).join(" ")],
          ["services", guest.services.join(" ")],
        ] satisfies [string, string][])
      : []),
    ...(seal
      ? ([
          [
            "sealed",
            `${seal.how}, ${seal.armed ? "armed" : "NOT armed"}, ${amount(seal.audited.length, "operation")} verified${seal.skipped.length > 0 ? `, without ${seal.skipped.join(", ")}` : ""}`,
          ],
        ] satisfies [string, string][])
      : []),
    [
      "boot trial",
      isUntried(manifest)
        ? "none: this version is untried"
        : trial.length === 0
          ? "none"
          : `${amount(trial.length, "check")} passed`,
    ],
    ...disks.map((disk): [string, string] => [
      `disk ${disk.name}`,
      `${size(disk.bytes)}, ${size(disk.dataBytes)} of data${disk.chunks === undefined ? "" : ` in ${disk.chunks} chunks`}, ${disk.digest}`,
    ]),
  ];
}

function madeOf(manifest: Manifest): [string, string][] {
  const { made, tbuild, build, recipe, git, inputs, hosts, makers } = manifest;
  const took = workTime(manifest);
  return [
    [
      "made",
      `${made} by tbuild ${tbuild}${build ? `, build ${build}` : ""}${took > 0 ? `, in ${clock(took)}` : ""}`,
    ],
    [
      "recipe",
      `${recipe}${git ? `, commit ${git.commit}${git.dirty ? " with uncommitted changes" : ""}` : ", not in a git repository"}`,
    ],
    ...listed("made of", tableRows(Object.entries(inputs), Number.POSITIVE_INFINITY)),
    ...(makers
      ? listed("steps made by tbuild", tableRows(Object.entries(makers), Number.POSITIVE_INFINITY))
      : []),
    ...Object.entries(hosts ?? {}).map(([host, said]): [string, string] => [host, said]),
  ];
}
