import { progressBar } from "./words.ts";

export interface ProgressLine {
  readonly show: (text: string, done?: number, total?: number) => void;
  readonly close: () => void;
}

/** A command's progress: one changing line on a terminal, a line for each new text elsewhere, nothing with JSON. */
export function progressLine(silent: boolean): ProgressLine {
  const { stderr } = process;
  let last = "";
  let shownAt = 0;
  const show: ProgressLine["show"] = (text, done, total) => {
    const isNew = text !== last;
    if (silent || (!isNew && (!stderr.isTTY || Date.now() - shownAt < 100))) return;
    [last, shownAt] = [text, Date.now()];
    if (!stderr.isTTY) return void stderr.write(`${text}\n`);
    const bar = done === undefined || !total ? "" : `  ${progressBar(Math.min(1, done / total), 24)}`;
    stderr.write(`\r\u001b[K${`${text}${bar}`.slice(0, (stderr.columns ?? 80) - 1)}`);
  };
  const close = () => {
    if (!silent && stderr.isTTY && last !== "") stderr.write("\r\u001b[K");
  };
  return { show, close };
}
