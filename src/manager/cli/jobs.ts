import { TbuildError } from "../../errors.ts";
import type { Jobs, Named } from "../api.ts";
import type { Property } from "./answer.ts";
import type { Orders } from "./orders.ts";

/** The last jobs of a name that are asked for their state. */
const most = 10;

/**
 * `list Job` and `show Job id=`, with `Summary Done` and `Summary State`: from public scripts for 3.3 and 3.4 (a hot clone of
 * a machine waits so). No guide has them.
 */
export function jobs({ list, rows }: Pick<Orders, "list" | "rows">): Jobs {
  const says = (properties: readonly Property[], key: string) =>
    properties
      .find((one) => one.key.toLowerCase() === key)
      ?.value.trim()
      .toLowerCase();

  async function listed(): Promise<readonly Named[]> {
    return list("Job").catch((error) => {
      if (error instanceof TbuildError && error.code === "failed") return [];
      throw error;
    });
  }

  return {
    async active(named) {
      // Ids are numbers that grow.
      const last = (await listed())
        .filter(({ name }) => named.test(name))
        .sort((one, other) => Number(other.id) - Number(one.id))
        .slice(0, most);
      const seen = await Promise.all(last.map(async (job) => ({ job, rows: await rows("Job", job.id) })));
      return seen.flatMap((one) => (says(one.rows, "summary done") === "no" ? one.job : []));
    },
    async hasSucceeded(id) {
      const seen = await rows("Job", id);
      return says(seen, "summary done") === "yes" && says(seen, "summary state") === "success";
    },
  };
}
