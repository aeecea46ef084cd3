import { TbuildError } from "../../errors.ts";
import type { Named } from "../api.ts";
import type { Asked, RestClient } from "./client.ts";
import { at, named } from "./fields.ts";
import { idIn, type Json, member } from "./json.ts";

export interface RestManagerOptions {
  readonly commandMs: number;
  readonly copyMs: number;
}

/** Requests to the Manager, with their deadlines. */
export interface Orders extends RestManagerOptions {
  readonly client: RestClient;
  order(
    method: "POST" | "PUT" | "DELETE",
    path: string,
    asked?: Asked,
    deadlineMs?: number,
  ): Promise<string | undefined>;
  /** A POST that creates an object; returns its id. */
  created(path: string, asked: Asked): Promise<string>;
  ids(type: string): Promise<Named[]>;
  /** The owner of an object, which is part of the object's address. */
  ownerOf(type: string, id: string, key: string): Promise<string>;
}

export function ordersOf(client: RestClient, options: RestManagerOptions): Orders {
  const order: Orders["order"] = (method, path, asked = {}, deadlineMs = options.commandMs) =>
    client.order(method, path, asked, deadlineMs);

  return {
    ...options,
    client,
    order,

    async created(path, asked) {
      const id = await order("POST", path, asked);
      if (id !== undefined) return id;
      throw new TbuildError("environment", `made an object, but did not report its id: POST ${path}`, {
        subject: client.name,
        code: "outcome-unknown",
      });
    },

    async ids(type) {
      const json = await client.get(`/${type}/id`);
      if (!Array.isArray(json))
        throw new TbuildError("environment", `its answer cannot be read: GET /${type}/id`, {
          subject: client.name,
        });
      return (json as readonly Json[]).flatMap((one) => named(one) ?? []);
    },

    async ownerOf(type, id, key) {
      const owner = idIn(member(await client.get(`/${type}/${at(id)}`), key))?.value;
      if (owner !== undefined) return owner;
      throw new TbuildError("environment", `does not report the ${key} of ${type} ${id}`, {
        subject: client.name,
      });
    },
  };
}
