import type { Named } from "../api.ts";
import { idIn, type Json, member } from "./json.ts";

/** An id as a part of an address. Ids of disks have a dot, and answers of a server are not trusted. */
export function at(id: string): string {
  return encodeURIComponent(id);
}

export function reference(type: string, value: string): Json {
  return { type: `com.oracle.ovm.mgr.ws.model.${type}`, value };
}

export function named(json: Json | undefined): Named | undefined {
  const id = idIn(json);
  return id && { id: id.value, name: id.name };
}

export function text(json: Json | undefined): string | undefined {
  return typeof json === "string" ? json : undefined;
}

export function number(json: Json | undefined): number | undefined {
  return typeof json === "number" ? json : undefined;
}

/** The elements of a list; none if it is not a list. */
export function elements(json: Json | undefined): readonly Json[] {
  return Array.isArray(json) ? (json as readonly Json[]) : [];
}

export function nameIn(json: Json): string {
  return text(member(json, "name")) ?? "";
}
