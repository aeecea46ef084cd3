/** Does `work` for each item, up to `width` of them at once. */
export async function eachInParallel<T>(
  items: readonly T[],
  width: number,
  work: (item: T, index: number) => Promise<void>,
): Promise<void> {
  const waiting = items.entries();
  const worker = async () => {
    for (const [index, item] of waiting) await work(item, index);
  };
  await Promise.all(Array.from({ length: Math.min(width, items.length) }, worker));
}

/**
 * Yields the result of `work` for each item, in order, and runs up to `width` of them at once. Compression and hashing run
 * in Node's thread pool, so all cores are used and the output bytes are the same each time.
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
      // A failure is thrown when its turn comes. Until then it must not count as unhandled.
      one.catch(() => {});
      flying.push(one);
      if (flying.length >= width) yield await (flying.shift() as Promise<R>);
    }
    for (let one = flying.shift(); one !== undefined; one = flying.shift()) yield await one;
  } finally {
    await Promise.allSettled(flying);
  }
}

/** Returns a function that runs work, up to `width` at once. Waiting work starts in order. */
export function atMost(width: number): <T>(work: () => Promise<T>) => Promise<T> {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (running < width) running++;
    else await new Promise<void>((begin) => waiting.push(begin));
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else running--;
    }
  };
}
