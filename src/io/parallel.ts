/**
 * Gives `work` of each item in their order, with up to `width` of them under way: compression and hashing run in Node's
 * thread pool, so all cores are busy while the bytes stay the same each time.
 */
export async function* inParallel<T, R>(
  items: Iterable<T> | AsyncIterable<T>,
  width: number,
  work: (item: T) => Promise<R>,
): AsyncGenerator<R> {
  const flying: Promise<R>[] = [];
  try {
    for await (const item of items) {
      const one = work(item);
      // Its failure is seen when its turn comes; until then it must not count as unhandled.
      one.catch(() => {});
      flying.push(one);
      if (flying.length >= width) yield await (flying.shift() as Promise<R>);
    }
    for (let one = flying.shift(); one !== undefined; one = flying.shift()) yield await one;
  } finally {
    await Promise.allSettled(flying);
  }
}
