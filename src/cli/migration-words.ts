import type { Shipment } from "../bundles/write/shipment.ts";
import { findingText } from "../guest/fitness/finding.ts";
import { fitnessWords } from "../guest/fitness/fitness.ts";
import { shown } from "../io/escape.ts";
import { amount } from "../io/units.ts";
import type { PreparedGuest } from "../migrate/guest.ts";
import { destinations, type MigrationPlan } from "../migrate/plan.ts";
import type { Source } from "../migrate/source.ts";
import { shownDone } from "./change-images.ts";
import { tableRows } from "./table.ts";
import { coloursFor, size } from "./words.ts";

export interface Found {
  readonly source: Source;
  readonly plan: MigrationPlan;
  readonly guest: PreparedGuest | undefined;
  readonly shipment: Shipment;
  /** Of the result. */
  readonly path: string;
}

/** Describes a migration in lines. Omissions come first. */
export function migrationLines({ source, plan, guest, shipment, path }: Found): string[] {
  const colours = coloursFor(process.stdout);
  const { machine } = source;
  const { title } = destinations[plan.format];
  const was = machine.domainType ?? "of unknown type";
  const say = (text: string) => shown(source.shown(text));
  const leftOut = plan.leftOut.flatMap(({ what, why, next }) => [
    `    ${say(what)}: ${why}`,
    `      ${say(next)}`,
  ]);
  const disks = shipment.disks.map(({ slot, mode, isBoot, name, from }, index) => {
    const what = plan.disks[index]?.disk.what ?? name;
    const marks = [...(isBoot ? ["boot"] : []), ...(mode === "w" ? [] : [modeWords[mode]])];
    const to = from.kind === "image" ? size(from.bytes) : `is ${from.path} there`;
    return [`    ${slot}`, to, marks.join(", "), say(what)];
  });
  const nics = plan.nics.map(({ network, mac, was }) => {
    const address = mac ?? "new MAC";
    return `    ${address} on ${say(network)}${was === undefined ? "" : ` (was ${say(was)})`}`;
  });
  return [
    `${colours.bold(shown(machine.title))}  ${was}, to ${title}`,
    ...(leftOut.length > 0 ? [colours.yellow("  left out:"), ...leftOut] : []),
    `  stopped: ${say(source.stopped)}`,
    `  ${amount(shipment.vcpus, "CPU")} of ${shipment.maxVcpus}, ${shipment.memoryMib} MiB of ${shipment.maxMemoryMib}, ${shipment.firmware}`,
    "  disks:",
    ...tableRows(disks),
    ...(nics.length > 0 ? ["  network cards:", ...nics] : []),
    ...(plan.dropped.length > 0 ? [`  not known to the target: ${plan.dropped.map(shown).join(", ")}`] : []),
    ...machine.notes.map((note) => `  note: ${say(note)}`),
    ...guestLines(guest, say),
    `  to: ${path}`,
  ];
}

const modeWords = { r: "read only", "w!": "shared" } as const;

function guestLines(guest: PreparedGuest | undefined, say: (text: string) => string): string[] {
  if (!guest) return ["  guest: not checked, because its boot disk is not copied"];
  const colours = coloursFor(process.stdout);
  const { fitness, converted, why, devices } = guest;
  const colour = { fit: colours.green, unfit: colours.red, unknown: colours.yellow }[fitness.verdict];
  const done = (converted ?? []).map((one) => {
    const { name, done: all } = shownDone(one);
    const more = all.length > 3 ? `, and ${all.length - 3} more` : "";
    return `    ${name}: ${all.slice(0, 3).join(", ")}${more}`;
  });
  return [
    converted === undefined
      ? `  guest: not converted: ${say(why ?? "")}`
      : done.length > 0
        ? "  guest: converted in the copy:"
        : "  guest: nothing to convert",
    ...done,
    `  guest: ${colour(fitnessWords(fitness))}, with ${devices === "virtio" ? "VirtIO" : "emulated"} devices`,
    ...fitness.findings.map((finding) => `    ${finding.weight}: ${say(findingText(finding))}`),
  ];
}

/** The same for JSON. */
export function migrationRecord({ source, plan, guest, shipment, path }: Found) {
  const { machine, stopped } = source;
  return {
    name: machine.title,
    to: plan.format,
    path,
    leftOut: plan.leftOut.map(({ what, why, next }) => ({ what: source.shown(what), why, next })),
    stopped: source.shown(stopped),
    domainType: machine.domainType,
    uuid: shipment.uuid,
    vcpus: shipment.vcpus,
    maxVcpus: shipment.maxVcpus,
    memoryMib: shipment.memoryMib,
    maxMemoryMib: shipment.maxMemoryMib,
    firmware: shipment.firmware,
    devices: shipment.devices,
    disks: shipment.disks.map(({ from, ...disk }, index) => ({
      ...disk,
      source: source.shown(plan.disks[index]?.disk.what ?? ""),
      ...(from.kind === "image" ? { bytes: from.bytes } : { at: from.path }),
    })),
    nics: plan.nics,
    dropped: plan.dropped,
    notes: machine.notes.map((note) => source.shown(note)),
    guest: guest && {
      ...(guest.converted ? { converted: guest.converted } : { notConverted: source.shown(guest.why ?? "") }),
      fitness: guest.fitness,
    },
  };
}
