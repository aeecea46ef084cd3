import { text } from "../../html.ts";
import { amount, clock } from "../../io/units.ts";
import type { BuildRecord, Phase, StepRecord } from "./record.ts";

/**
 * Shows each step as a bar on the time axis of the whole run, so parallel steps are side by side. A step
 * expands to its phases and the last console lines. `timings` is the time in milliseconds that each step took
 * when it ran, for cached steps, too.
 */
export function timeline({ steps, end }: BuildRecord, timings: Readonly<Record<string, number>>): string {
  if (steps.length === 0) return '<p class="quiet">Nothing.</p>';
  const total = Math.max(1, end);
  const rows = steps.map((step) => {
    const head = `<span>${text(step.name)}</span>${bar(step, 0, total)}<span class="ms">${tookOf(step, timings)}</span>`;
    return `<details class="step ${step.state}"><summary>${head}</summary>${inside(step)}</details>`;
  });
  const kept = steps.some(({ state }) => state === "kept")
    ? " A cached step was not run again, because none of its inputs has changed."
    : "";
  return `<div class="timeline">${rows.join("\n")}</div><p class="note">This run took ${clock(end)}. Open a step to see its phases.${kept}</p>`;
}

function tookOf({ name, state, begin, end }: StepRecord, timings: Readonly<Record<string, number>>): string {
  if (state === "kept") return name in timings ? `kept, ${clock(timings[name] ?? 0)}` : "kept";
  const took = clock(end - begin);
  return state === "done" ? took : `${took}, ${state === "failed" ? "failed" : "not finished"}`;
}

function inside(step: StepRecord): string {
  const lines =
    step.console.length === 0
      ? ""
      : `<details><summary>Console, the last ${amount(step.console.length, "line")}</summary><pre>${text(step.console.join("\n"))}</pre></details>`;
  if (step.state === "kept") return '<p class="note">Kept from an earlier run.</p>';
  const phases = step.phases.map(
    (phase) =>
      `<div class="phase"><span>${text(shown(phase))}</span>${bar(phase, step.begin, step.end)}<span class="ms">${clock(phase.end - phase.begin)}</span></div>`,
  );
  return `<p class="note">${text(step.text)}</p>${phases.join("\n")}${lines}`;
}

function shown({ lane, text, total }: Phase): string {
  const counted = total === undefined ? text : `${text} (${total})`;
  return lane === undefined ? counted : `${lane}: ${counted}`;
}

function bar({ begin, end }: Pick<Phase, "begin" | "end">, from: number, to: number): string {
  const share = (ms: number) => ((100 * ms) / Math.max(1, to - from)).toFixed(1);
  return `<span class="bar"><i style="margin-left:${share(begin - from)}%;width:${share(end - begin)}%"></i></span>`;
}

export const timelineStyle = `
.step>summary,.phase{display:grid;grid-template-columns:11rem 1fr 8rem;gap:.2rem 1rem;align-items:center;padding:.15rem 0}
.step>summary>:first-child:before{content:"▸ ";color:var(--soft)}.step[open]>summary>:first-child:before{content:"▾ "}
.phase{grid-template-columns:17rem 1fr 4rem;font-size:.88rem}
.bar{background:var(--wash);border-radius:4px;height:.8rem;overflow:hidden}.phase .bar{height:.4rem}
.bar i{display:block;height:100%;border-radius:4px;background:var(--good);min-width:2px;max-width:100%}.failed>summary i,.unfinished>summary i{background:var(--mark)}.kept .bar i{visibility:hidden}
.phase .bar i{background:var(--soft)}.ms{text-align:right;font-variant-numeric:tabular-nums}.step[open]{border-bottom:1px solid var(--line);padding-bottom:.6rem}
@media (max-width:40rem){.step>summary,.phase{grid-template-columns:1fr auto}.bar{grid-column:1/-1;grid-row:2}}`;
