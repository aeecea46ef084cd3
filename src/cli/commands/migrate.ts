import type { Command } from "commander";
import type { MigrationFormat, OvmdChoice } from "../../choices.ts";
import { exitCodes, TbuildError } from "../../errors.ts";
import { parseMajor } from "../../guest/release.ts";
import { localHost } from "../../host/local.ts";
import { temporaryFolder } from "../../host/temporary.ts";
import { jsonText } from "../../io/escape.ts";
import { type PreparedGuest, prepareGuest } from "../../migrate/guest.ts";
import { openSource } from "../../migrate/open-source.ts";
import { destinations, type Mapping, planMigration } from "../../migrate/plan.ts";
import { requireFree, shipmentFor, writeMachine } from "../../migrate/run.ts";
import type { Source } from "../../migrate/source.ts";
import { interruptible } from "../interrupt.ts";
import { migrationLines, migrationRecord } from "../migration-words.ts";
import { farPath } from "../named-image.ts";
import { progressLine } from "../progress-line.ts";
import { readSize } from "../sizes.ts";
import { version } from "../version.ts";
import { viaOption } from "../via-option.ts";
import { size } from "../words.ts";

interface Flags {
  readonly to: MigrationFormat;
  readonly out: string;
  readonly plan?: boolean;
  readonly map: readonly string[];
  readonly network: readonly string[];
  readonly convert?: boolean;
  readonly devices?: PreparedGuest["devices"];
  readonly ovmd?: OvmdChoice;
  readonly as?: string;
  readonly via?: string;
  readonly stopped?: boolean;
  readonly disksIn: readonly string[];
  readonly maxSize: string;
  readonly sshConfig?: string;
  readonly json?: boolean;
}

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const flags = command.opts<Flags>();
  const name = String(args[0]);
  const mapping: Mapping = {
    disks: pairs("--map", flags.map),
    networks: pairs("--network", flags.network),
  };
  const mostBytes = readSize("--max-size", flags.maxSize);
  const line = progressLine((flags.json ?? false) || !process.stderr.isTTY);
  const host = localHost();
  await interruptible("the partial output was removed; the original was not changed", async (signal) => {
    await using source = await openSource(host, name, farPath(name), {
      mostBytes,
      stopped: flags.stopped ?? false,
      disksIn: flags.disksIn,
      signal,
      progress: line.show,
      mapped: new Set([...mapping.disks].flatMap(([key, to]) => (to === "copy" ? [] : key))),
      ...(flags.sshConfig !== undefined && { sshConfig: flags.sshConfig }),
    });
    await migrate(source, flags, mapping, signal, line.show);
  }).finally(line.close);
}

async function migrate(
  source: Source,
  flags: Flags,
  mapping: Mapping,
  signal: AbortSignal,
  progress: (text: string, done?: number, total?: number) => void,
): Promise<void> {
  const host = localHost();
  const plan = planMigration(source, flags.to, mapping);
  const path = await requireFree(plan, flags.out);
  await using work = await temporaryFolder("migrate");
  const { mode, fitness: target } = destinations[flags.to];
  const boot = plan.disks.find(({ disk, at }) => disk.isBoot && !at)?.disk.from;
  const prepared =
    boot?.kind === "image"
      ? await prepareGuest(host, boot.file, work.path, {
          mode,
          target,
          signal,
          progress,
          convert: flags.convert === undefined ? "auto" : flags.convert ? "yes" : "no",
          note: (text) => void process.stderr.write(`${source.shown(text)}\n`),
          ...viaOption(flags.via),
          ...(flags.ovmd && { ovmd: flags.ovmd }),
          ...(flags.as !== undefined && { as: parseMajor(flags.as) }),
        })
      : undefined;
  const guest = prepared && { ...prepared, devices: flags.devices ?? prepared.devices };
  const now = new Date().toISOString();
  const shipment = await shipmentFor(host, plan, guest, { tbuild: version(), now });
  const found = { source, plan, guest, shipment, path };
  if (!flags.json) process.stdout.write(`${migrationLines(found).join("\n")}\n`);
  if (flags.plan) {
    if (flags.json) process.stdout.write(`${jsonText({ written: false, ...migrationRecord(found) })}\n`);
  } else {
    const written = await writeMachine(plan, shipment, {
      out: flags.out,
      tbuild: version(),
      now,
      signal,
      progress: (done, total) => progress(`writing ${path}`, done, total),
    });
    const bytes = written.files.reduce((sum, file) => sum + file.bytes, 0);
    if (flags.json)
      process.stdout.write(
        `${jsonText({ written: true, ...migrationRecord(found), files: written.files })}\n`,
      );
    else process.stdout.write(`written: ${path}, ${size(bytes)}. The original was not changed.\n`);
  }
  const verdict = guest?.fitness.verdict ?? "unknown";
  if (plan.leftOut.length > 0 || verdict === "unfit") process.exitCode ||= exitCodes.found;
  else if (verdict === "unknown") process.exitCode ||= exitCodes.unknown;
}

/** `X=Y` of an option that may be repeated. */
function pairs(option: string, values: readonly string[]): Map<string, string> {
  const found = new Map<string, string>();
  for (const value of values) {
    const [, key = "", to = ""] = /^([^=]+)=(.+)$/s.exec(value) ?? [];
    const example = option === "--map" ? "--map /dev/mapper/lun1=/dev/mapper/lun9" : "--network 10a2=br0";
    if (key === "")
      throw new TbuildError("usage", "is not NAME=NAME", { subject: `${option} ${value}`, hint: example });
    if (found.has(key)) throw new TbuildError("usage", "is given twice", { subject: `${option} ${key}` });
    found.set(key, to);
  }
  return found;
}
