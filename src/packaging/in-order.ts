/**
 * Does `work` on things as they come, several at a time, and gives the results in their order. Compression runs in
 * Node's thread pool, so that all cores are busy while the bytes stay the same each time.
 */
export async function* inOrder<T, R>(
  things: AsyncIterable<T>,
  work: (thing: T) => Promise<R>,
  atATime: number,
): AsyncIterable<R> {
  const flying: Promise<R>[] = [];
  try {
    for await (const thing of things) {
      flying.push(work(thing));
      if (flying.length >= atATime) yield await (flying.shift() as Promise<R>);
    }
    while (flying.length > 0) yield await (flying.shift() as Promise<R>);
  } finally {
    // What is left when the reader stops early must not fail unheard.
    for (const one of flying) one.catch(() => {});
  }
}
