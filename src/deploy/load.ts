import { readFile } from "node:fs/promises";
import { relative, resolve } from "node:path";
import { TbuildError } from "../errors.ts";
import { reasonOf } from "../io/file-fault.ts";
import { type Finding, refuse, suggestion } from "../recipe/findings.ts";
import { type Located, locatedAt, type Place, placeOf, plain, readYaml } from "../recipe/located.ts";
import { shapeFindings } from "../recipe/shape.ts";
import { mostMachines, namesOf } from "./ranges.ts";
import { DeploymentFile, type MachineEntry } from "./schema.ts";

/** One machine of a deployment, its range expanded. */
export interface MachineAsked {
  readonly name: string;
  /** Its number in a range, as written: `007`. Without a range, the digits at the end of its name, if any. */
  readonly number: string;
  readonly entry: MachineEntry;
  /** The position of its entry. */
  readonly at: Place;
  /** First-boot values of the deployment and its own, as written, with placeholders filled in. */
  readonly values: Located & { readonly kind: "map" };
}

export interface LoadedDeployment {
  readonly file: string;
  readonly deployment: DeploymentFile;
  readonly machines: readonly MachineAsked[];
  /** Groups with their ranges expanded. */
  readonly apart: readonly (readonly string[])[];
  readonly start: readonly (readonly string[])[];
  place(path: readonly PropertyKey[]): Place;
}

/** Reads a deployment file. Throws one `usage` fault with every finding: file, line, column, path. */
export async function loadDeployment(file: string): Promise<LoadedDeployment> {
  const text = await readFile(file, "utf8").catch((error: NodeJS.ErrnoException) => {
    throw new TbuildError(
      error.code === "ENOENT" ? "usage" : "environment",
      error.code === "ENOENT" ? "no such deployment file" : `cannot be read: ${reasonOf(error)}`,
      { subject: file, cause: error },
    );
  });
  return readDeployment(relative(process.cwd(), resolve(file)) || file, text);
}

export function readDeployment(shown: string, text: string): LoadedDeployment {
  return deploymentIn(shown, readYaml(shown, text));
}

/** Checks the contents of a file. */
export function deploymentIn(shown: string, said: Located): LoadedDeployment {
  if (said.kind !== "map")
    throw new TbuildError("usage", "not a deployment", {
      subject: shown,
      hint: "A deployment is a YAML file of keys and values; docs/deploy.md shows one.",
    });
  const result = DeploymentFile.safeParse(plain(said));
  if (!result.success) refuse(shown, shapeFindings(DeploymentFile, result.error, said));
  const deployment = DeploymentFile.parse(plain(said));
  const findings: Finding[] = [];
  const problem = (path: readonly PropertyKey[], what: string) =>
    findings.push({ at: placeOf(said, path), path: path.map(String).join("."), text: what });
  const machines = machinesOf(deployment, said, problem);
  const known = machines.map(({ name }) => name);
  const groups = (key: "apart" | "start") =>
    deployment[key].map((group, index) =>
      group.flatMap((name, at) =>
        namesOf(name).map((one) => {
          if (!known.includes(one.name))
            problem([key, index, at], `no machine has this name${suggestion(one.name, known)}`);
          return one.name;
        }),
      ),
    );
  const [apart, start] = [groups("apart"), groups("start")];
  for (const [index, group] of apart.entries()) {
    const twice = group.find((name, at) => group.indexOf(name) !== at);
    if (twice !== undefined) problem(["apart", index], `${twice} is listed twice in it`);
    else if (group.length < 2) problem(["apart", index], "needs at least two machines");
  }
  checkRest(deployment, machines, start, problem);
  refuse(shown, findings);
  return { file: shown, deployment, machines, apart, start, place: (path) => placeOf(said, path) };
}

type Problem = (path: readonly PropertyKey[], what: string) => void;

function machinesOf(deployment: DeploymentFile, said: Located, problem: Problem): MachineAsked[] {
  const seen = new Map<string, number>();
  const found: MachineAsked[] = [];
  const common = locatedAt(said, ["values"]);
  for (const [index, entry] of deployment.machines.entries()) {
    const path = ["machines", index];
    const names = namesOf(entry.name);
    if (names.length === 0)
      problem(
        [...path, "name"],
        `is not a range: a name has one, its end has as many digits as its start or more, and it has 1 to ${mostMachines} machines`,
      );
    if (found.length + names.length > mostMachines) {
      problem([...path, "name"], `there are more than ${mostMachines} machines`);
      return found;
    }
    if (names.length > 1)
      for (const [at, nic] of (entry.nics ?? []).entries()) {
        if (nic.mac !== undefined)
          problem([...path, "nics", at, "mac"], "would be the same for all machines of the range");
        if (nic.address !== undefined && !nic.address.includes("{"))
          problem(
            [...path, "nics", at, "address"],
            "would be the same for all machines of the range; use {number}, such as 192.0.2.{number+10}/24",
          );
      }
    const own = locatedAt(said, [...path, "values"]);
    for (const { name, number } of names) {
      const other = seen.get(name);
      if (other !== undefined) problem([...path, "name"], `${name} is also in machines.${other}`);
      if (name.length > 60) problem([...path, "name"], `${name} is longer than 60 characters`);
      seen.set(name, index);
      const filled = filling(name, number);
      const values = valuesOf(common, own, placeOf(said, path), filled);
      for (const [key, left] of unfilled(values)) {
        const isOwn = own?.kind === "map" && own.entries.has(key);
        problem([...(isOwn ? path : []), "values", key], `${left} stands for nothing in the machine ${name}`);
      }
      found.push({
        name,
        number,
        at: placeOf(said, path),
        entry: {
          ...entry,
          ...(entry.nics && {
            nics: entry.nics.map((nic) => ({
              ...nic,
              ...(nic.address !== undefined && { address: filled(nic.address) }),
            })),
          }),
        },
        values,
      });
    }
  }
  return found;
}

/** Own values override common ones. Each has its position in the file. */
function valuesOf(
  common: Located | undefined,
  own: Located | undefined,
  at: Place,
  filled: (text: string) => string,
): Located & { readonly kind: "map" } {
  const entries = new Map([
    ...(common?.kind === "map" ? common.entries : []),
    ...(own?.kind === "map" ? own.entries : []),
  ]);
  const fill = (value: Located): Located => {
    if (value.kind === "scalar")
      return typeof value.value === "string" ? { ...value, value: filled(value.value) } : value;
    if (value.kind === "list") return { ...value, items: value.items.map(fill) };
    return { ...value, entries: new Map([...value.entries].map(([key, one]) => [key, fill(one)])) };
  };
  return {
    kind: "map",
    at,
    entries: new Map([...entries].map(([key, value]) => [filled(key), fill(value)])),
  };
}

function filling(name: string, number: string): (text: string) => string {
  return (text) =>
    text.replaceAll(/\{(name|number)(?:\+(\d{1,6}))?\}/g, (all, what, more) => {
      if (what === "name") return more === undefined ? name : all;
      if (number === "") return all;
      return more === undefined ? String(Number(number)) : String(Number(number) + Number(more));
    });
}

/** Placeholders in values that have no meaning for their machine, such as `{number}` if its name has none. */
function unfilled(values: Located): [string, string][] {
  if (values.kind !== "map") return [];
  return [...values.entries].flatMap(([key, value]) => {
    const texts = value.kind === "list" ? value.items : [value];
    const all = [key, ...texts.map((one) => (one.kind === "scalar" ? String(one.value) : ""))].join(" ");
    return [...all.matchAll(/\{(?:name|number)(?:\+\d+)?\}/g)].map(([found]): [string, string] => [
      key,
      found,
    ]);
  });
}

function checkRest(
  deployment: DeploymentFile,
  machines: readonly MachineAsked[],
  start: readonly (readonly string[])[],
  problem: Problem,
): void {
  const disks = deployment.shared.map(({ name }) => name);
  for (const [index, name] of disks.entries())
    if (disks.indexOf(name) !== index) problem(["shared", index, "name"], `${name} is listed twice`);
  for (const [index, entry] of deployment.machines.entries()) {
    for (const [at, name] of entry.shared.entries()) {
      if (!disks.includes(name))
        problem(
          ["machines", index, "shared", at],
          `no shared disk has this name${suggestion(name, disks) || "; list it under `shared`"}`,
        );
      if (entry.shared.indexOf(name) !== at) problem(["machines", index, "shared", at], "is given twice");
    }
    const own = entry.disks.map(({ name }) => name);
    for (const [at, name] of own.entries())
      if (own.indexOf(name) !== at)
        problem(["machines", index, "disks", at, "name"], `${name} is listed twice`);
    if (entry.template === undefined && deployment.template === undefined)
      problem(["machines", index], "has no template, and neither has the deployment");
    for (const [at, nic] of (entry.nics ?? []).entries())
      if (nic.dhcp === true && nic.address !== undefined)
        problem(["machines", index, "nics", at, "dhcp"], "contradicts its static address");
      else if (nic.dhcp !== true && nic.address === undefined)
        for (const key of ["gateway", "dns", "search"] as const)
          if (nic[key] !== undefined)
            problem(["machines", index, "nics", at, key], "has no effect without `address` or `dhcp: true`");
  }
  const macs = new Map<string, string>();
  const addresses = new Map<string, string>();
  for (const { name, entry } of machines)
    for (const [at, nic] of (entry.nics ?? []).entries()) {
      const path = [
        "machines",
        deployment.machines.findIndex((one) => namesOf(one.name).some((n) => n.name === name)),
        "nics",
        at,
      ];
      const once = (seen: Map<string, string>, key: "mac" | "address", value: string | undefined) => {
        if (value === undefined) return;
        const other = seen.get(value);
        if (other !== undefined) problem([...path, key], `${other} also has ${value}`);
        seen.set(value, name);
      };
      once(macs, "mac", nic.mac);
      once(addresses, "address", nic.address?.split("/")[0]);
      if (nic.mac !== undefined && Number.parseInt(nic.mac.slice(0, 2), 16) % 2 === 1)
        problem([...path, "mac"], "is a multicast address");
      if (nic.mac === "00:00:00:00:00:00") problem([...path, "mac"], "is not an address of a card");
      if (nic.address !== undefined && !isAddress(nic.address))
        problem([...path, "address"], `${nic.address} is not an address with the length of its network`);
    }
  const started = start.flat();
  for (const [index, name] of started.entries())
    if (started.indexOf(name) !== index) problem(["start"], `${name} is listed twice in it`);
}

function isAddress(text: string): boolean {
  const [address = "", bits = ""] = text.split("/");
  const parts = address.split(".");
  return (
    parts.length === 4 &&
    parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) <= 255) &&
    Number(bits) >= 1 &&
    Number(bits) <= 32
  );
}
