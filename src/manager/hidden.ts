/** Lines without the secrets, which the Manager may repeat: plain, as its CLI quotes them, and as JSON escapes them. */
export function hidden(lines: readonly string[], secrets: readonly string[]): string[] {
  const forms = secrets
    .filter((one) => one !== "")
    .flatMap((one) => [one, one.replace(/[/"]/g, "/$&"), JSON.stringify(one).slice(1, -1)])
    // Longer ones first, since one form can be a part of another.
    .sort((a, b) => b.length - a.length);
  return lines.map((line) => forms.reduce((text, one) => text.replaceAll(one, "***"), line));
}
