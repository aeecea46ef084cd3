export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/** An id as the API writes it: `{"type": "com.oracle.ovm.mgr.ws.model.Vm", "value": "0004fb…", "name": "vm001"}`. */
export interface RestId {
  readonly value: string;
  readonly name: string;
}

export function member(json: Json | undefined, key: string): Json | undefined {
  return json !== null && typeof json === "object" && !Array.isArray(json)
    ? (json as Readonly<Record<string, Json>>)[key]
    : undefined;
}

export function idIn(json: Json | undefined): RestId | undefined {
  const [value, name] = [member(json, "value"), member(json, "name")];
  return typeof value === "string" ? { value, name: typeof name === "string" ? name : "" } : undefined;
}

/** A failed request has `errorCode` and `message`, a failed job `error.message` (python-ovmclient). */
export function faultIn(json: Json | undefined): string[] | undefined {
  const error = member(json, "error") ?? json;
  const said = [member(error, "errorCode"), member(error, "wsErrorCode"), member(error, "message")].filter(
    (one) => typeof one === "string" && one !== "",
  ) as string[];
  return said.length === 0 ? undefined : said.flatMap((one) => one.split(/\r?\n/)).filter(Boolean);
}

export function jsonIn(text: string): Json | undefined {
  try {
    return JSON.parse(text) as Json;
  } catch {
    return undefined;
  }
}
