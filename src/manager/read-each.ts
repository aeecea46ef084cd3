import { TbuildError } from "../errors.ts";

/** Reads each listed object. One that has been removed since is left out: others, and parallel work of tbuild, go on meanwhile. */
export async function readEach<One extends { readonly id: string }, Seen>(
  list: () => Promise<readonly One[]>,
  read: (one: One) => Promise<Seen>,
): Promise<Seen[]> {
  const failures = new Map<string, TbuildError>();
  const found = await Promise.all(
    (await list()).map(async (one) => {
      try {
        return [await read(one)];
      } catch (error) {
        if (!(error instanceof TbuildError) || error.code !== "failed") throw error;
        failures.set(one.id, error);
        return [];
      }
    }),
  );
  if (failures.size > 0)
    for (const { id } of await list()) {
      const error = failures.get(id);
      if (error) throw error;
    }
  return found.flat();
}
