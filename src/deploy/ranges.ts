/** The maximum number of machines of one deployment. */
export const mostMachines = 1000;

/**
 * The names that `vm[001-050]` expands to, each with its number as written; For a plain name, `number` is the
 * digits at its end. Empty for a range that runs backwards or has more than `mostMachines` machines.
 */
export function namesOf(pattern: string): { readonly name: string; readonly number: string }[] {
  const [, before = "", first = "", last = "", after = ""] =
    /^([^[]*)\[(\d+)-(\d+)\](.*)$/.exec(pattern) ?? [];
  if (first === "") return [{ name: pattern, number: /\d+$/.exec(pattern)?.[0] ?? "" }];
  const [from, to] = [Number(first), Number(last)];
  if (to < from || last.length < first.length || after.includes("[")) return [];
  if (to - from >= mostMachines) return [];
  return Array.from({ length: to - from + 1 }, (_, index) => {
    const number = String(from + index).padStart(first.length, "0");
    return { name: `${before}${number}${after}`, number };
  });
}
