/*
 * The operations of the Manager, for both of its interfaces. The behaviour is from the guides of the CLI (3.2:
 * E35328_01/E35336, 3.3: E50245_01/E50252,
 * 3.4: E64076_01/E64086) and of the Web Services (3.3: E50245_01/E50253), by the command's or the resource's name.
 */

export * from "./anti-affinity.ts";
export * from "./clone.ts";
export * from "./imports.ts";
export * from "./messages.ts";
export * from "./referring.ts";
export * from "./storage.ts";
export * from "./vms.ts";
export * from "./vnics.ts";
