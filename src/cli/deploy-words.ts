import { isIdle, type Plan } from "../deploy/plan.ts";
import { printable } from "../io/escape.ts";
import { amount } from "../io/units.ts";
import type { Colours } from "./words.ts";

type Row = { readonly sign: string; readonly what: string; readonly lines: readonly string[] };

const signs = { create: "+", change: "~", replace: "±", destroy: "-", keep: " " } as const;

/**
 * Describes a plan, with a block for each change. Unchanged parts are only counted, except those that were
 * changed outside tbuild.
 */
export function planText(plan: Plan, colours: Colours): string {
  const paint = {
    "+": colours.green,
    "~": colours.yellow,
    "±": colours.yellow,
    "-": colours.red,
    " ": colours.dim,
  };
  const rows: Row[] = [
    ...plan.disks
      .filter(({ action }) => action !== "keep")
      .map(({ name, action, details }) => ({ sign: signs[action], what: `disk ${name}`, lines: details })),
    ...plan.machines.flatMap(({ name, action, details, drift, notes }): Row[] => {
      const lines = [
        ...(action === "keep" ? [] : details),
        ...drift.map((one) => `changed outside tbuild: ${one}`),
        ...notes.map((one) => `note: ${one}`),
      ];
      return action === "keep" && lines.length === 0
        ? []
        : [{ sign: signs[action], what: `machine ${name}`, lines }];
    }),
    ...plan.groups
      .filter(({ action }) => action !== "keep")
      .map(({ name, action, machines, drift }) => ({
        sign: signs[action],
        what: `group ${name}`,
        lines: [
          `on different servers: ${machines.join(", ")}`,
          ...drift.map((one) => `changed outside tbuild: ${one}`),
        ],
      })),
  ];
  const blocks = rows.map(({ sign, what, lines }) =>
    [
      `  ${paint[sign as keyof typeof paint](sign)} ${colours.bold(what)}`,
      ...lines.map((line) => `      ${printable(line)}`),
    ].join("\n"),
  );
  return [...blocks, sumOf(plan)].join("\n");
}

function sumOf(plan: Plan): string {
  const all = [...plan.machines, ...plan.disks, ...plan.groups].map(({ action }) => action);
  const count = (...actions: string[]) => all.filter((one) => actions.includes(one)).length;
  if (all.length === 0) return "Nothing of this deployment is left; its state will be deleted.";
  if (isIdle(plan)) return `Nothing to do: ${amount(count("keep"), "part is", "parts are")} as in the file.`;
  const parts = [
    [count("create"), "to create"],
    [count("change"), "to change"],
    [count("replace"), "to replace"],
    [count("destroy"), "to destroy"],
    [count("keep"), "to keep"],
  ] as const;
  return `Plan: ${parts
    .filter(([number]) => number > 0)
    .map(([number, what]) => `${number} ${what}`)
    .join(", ")}.`;
}

/** The plan as JSON: one entry for each part. */
export function planJson(plan: Plan) {
  return [
    ...plan.disks.map(({ name, action, details }) => ({ kind: "disk", name, action, details })),
    ...plan.machines.map(({ name, action, details, drift, notes, goal }) => ({
      kind: "machine",
      name,
      action,
      details,
      drift,
      notes,
      ...(goal && { template: goal.template.name, nics: goal.nics, disks: goal.mappings }),
    })),
    ...plan.groups.map((group) => ({ kind: "group", ...group })),
  ];
}
