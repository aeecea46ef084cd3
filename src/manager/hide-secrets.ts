/**
 * Removes secrets from lines, because the Manager may repeat them: plain, quoted for its CLI, or escaped for
 * JSON.
 */
export function hidden(lines: readonly string[], secrets: readonly string[]): string[] {
  const forms = secrets
    .filter((one) => one !== "")
    .flatMap((one) => [one, one.replace(/[/"]/g, "/$&"), JSON.stringify(one).slice(1, -1)])
    // Longer ones first, since one form can be a part of another.
    .sort((a, b) => b.length - a.length);
  return lines.map((line) => forms.reduce((text, one) => text.replaceAll(one, "***"), line));
}
