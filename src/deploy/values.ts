import { rootPasswordKey } from "../firstboot/shipped.ts";
import {
  type CheckedValues,
  checkValues,
  type GivenValue,
  parameterOf,
  plainSecret,
} from "../firstboot/values.ts";
import type { Parameter } from "../model/manifest.ts";
import type { Located } from "../recipe/located.ts";
import type { MachineAsked } from "./load.ts";

/** A template's first-boot parameters, as far as they are known. */
export interface ContractKnown {
  readonly parameters: readonly Parameter[];
  /** `undefined`: nothing is known, so every key is accepted. */
  readonly isWhole: boolean | undefined;
}

const network = "com.oracle.linux.network";

/**
 * The messages for a machine: its values, and those derived from its nics and name, checked against the
 * template's contract.
 */
export function valuesOf(machine: MachineAsked, contract: ContractKnown): CheckedValues {
  const { parameters, isWhole } = contract;
  const file = completed(machine, parameters);
  if (file.entries.size === 0) return { values: [], errors: [], warnings: [] };
  const checked = checkValues(parameters, file, isWhole === true);
  const warnings = [
    ...(isWhole === undefined
      ? checked.warnings.filter(({ text }) => text === plainSecret)
      : checked.warnings),
    ...checked.values
      .filter(
        ({ key, value }) => typeof value === "string" && !parameterOf(parameters, key) && soundsSecret(key),
      )
      .map(({ key, at }) => ({ at, path: key, text: plainSecret })),
  ];
  // Without it, the guest waits forever, and the values in this file have no effect.
  if (file.entries.has(rootPasswordKey)) return { ...checked, warnings };
  const missing = {
    at: machine.at,
    path: rootPasswordKey,
    text: `${machine.name} has first-boot values, but not this one, which starts the configuration`,
  };
  return {
    values: checked.values,
    errors: [...checked.errors.filter(({ path }) => path !== rootPasswordKey), missing],
    warnings: warnings.filter(({ path }) => path !== rootPasswordKey),
  };
}

/** Whether a value must not be logged. An unknown value may be a secret. */
export function isSecret({ key, value }: GivenValue, { parameters }: ContractKnown): boolean {
  if (typeof value !== "string" || key === rootPasswordKey) return true;
  return parameterOf(parameters, key)?.password ?? soundsSecret(key);
}

function soundsSecret(key: string): boolean {
  return /passw|secret|private|token/i.test(key) && !/-type(?:\.|$)/i.test(key);
}

// Values in the file override those derived from nics and names.
function completed(
  machine: MachineAsked,
  parameters: readonly Parameter[],
): Located & { readonly kind: "map" } {
  const { name, entry, at, values } = machine;
  const entries = new Map(values.entries);
  const add = (key: string, value: string | undefined) => {
    if (value !== undefined && !entries.has(key)) entries.set(key, { kind: "scalar", at, value });
  };
  for (const [index, nic] of (entry.nics ?? []).entries()) {
    if (nic.address === undefined && nic.dhcp !== true) continue;
    add(`${network}.device.${index}`, `eth${index}`);
    add(`${network}.onboot.${index}`, "yes");
    add(`${network}.bootproto.${index}`, nic.address === undefined ? "dhcp" : "static");
    if (nic.address !== undefined) {
      const [address = "", bits = ""] = nic.address.split("/");
      add(`${network}.ipaddr.${index}`, address);
      add(`${network}.netmask.${index}`, netmask(Number(bits)));
    }
    add(`${network}.gateway.${index}`, nic.gateway);
    add(`${network}.dns-servers.${index}`, nic.dns?.join(","));
    add(`${network}.dns-search-domains.${index}`, nic.search?.join(","));
  }
  const hasHostname = parameters.some(({ key }) => key === `${network}.hostname`);
  if (entries.size > 0 && hasHostname) add(`${network}.hostname`, name);
  return { kind: "map", at: machine.at, entries };
}

function netmask(bits: number): string {
  return [0, 8, 16, 24].map((from) => 256 - 2 ** (8 - Math.min(8, Math.max(0, bits - from)))).join(".");
}
