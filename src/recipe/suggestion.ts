/** `; did you mean "x"?` if one of `words` is close to `word`, otherwise a short list of `words`. */
export function suggestion(word: string, words: readonly string[]): string {
  const most = Math.max(2, Math.floor(word.length / 3));
  const best = words
    .filter((w) => Math.abs(w.length - word.length) <= most)
    .map((w) => ({ w, d: distance(word.toLowerCase(), w.toLowerCase()) }))
    .sort((a, b) => a.d - b.d)[0];
  if (best && best.d <= most) return `; did you mean "${best.w}"?`;
  return words.length > 0 && words.length <= 12 ? `; available: ${words.join(", ")}` : "";
}

/** The changes of one letter between two words: Levenshtein's distance, one row at a time. */
export function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}
