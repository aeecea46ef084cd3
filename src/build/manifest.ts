import { arch, cpus, hostname, release } from "node:os";
import { amount } from "../io/units.ts";
import { type Digest, digestOf } from "../model/digest.ts";
import type { Manifest, PackageRecord, Parameter } from "../model/manifest.ts";
import { proposeVersion } from "../model/version.ts";
import { majorOf, type Recipe } from "../recipe/recipe.ts";
import type { BuildContext, Hosts, StepContext } from "./step.ts";

/** The part of a manifest that is the same for all steps of a build. */
export interface ManifestFrame {
  readonly recipeText: string;
  readonly inputs: Readonly<Record<string, Digest>>;
  readonly git?: { readonly commit: string; readonly dirty: boolean };
  readonly tbuild: string;
}

/** The common part of masters and templates. */
export async function manifestOf(
  recipe: Recipe,
  frame: ManifestFrame,
  context: Pick<StepContext, "name" | "id" | "rehearsal" | "hypervisor" | "hosts">,
  guest: {
    readonly packages: readonly PackageRecord[];
    readonly contract: readonly Parameter[];
    readonly kernel: string;
    readonly mediumDigest?: Digest;
    readonly base?: Digest;
  },
): Promise<Omit<Manifest, "kind" | "version" | "domainType" | "disks">> {
  return {
    schema: 1,
    name: context.name,
    made: new Date().toISOString(),
    summary: context.rehearsal ? `REHEARSAL, made of Debian's binaries: ${recipe.summary}` : recipe.summary,
    rehearsal: context.rehearsal,
    release: {
      name: `Oracle Linux ${majorOf(recipe.release)}.${recipe.update}`,
      major: majorOf(recipe.release),
      update: recipe.update,
    },
    machine: {
      vcpus: recipe.machine.vcpus,
      memoryMib: recipe.machine.memory,
      nics: recipe.nics,
      ...(recipe.machine.firmware === "uefi" && { firmware: "uefi" as const }),
    },
    kernel: guest.kernel,
    recipe: digestOf(frame.recipeText),
    recipeText: frame.recipeText,
    ...(frame.git && { git: frame.git }),
    inputs: {
      ...frame.inputs,
      ...(guest.mediumDigest && { medium: guest.mediumDigest }),
      ...(guest.base && { base: guest.base }),
    },
    packages: guest.packages,
    contract: guest.contract,
    operations: [],
    trial: [],
    bundles: [],
    timings: {},
    tbuild: frame.tbuild,
    build: context.id,
    hosts: hostsOfAll(await hostsOf(context), context.hosts),
  };
}

// Names and versions only: a site's mirrors and addresses may contain passwords, which must not be published.
export async function hostsOf({ hypervisor }: Pick<BuildContext, "hypervisor">): Promise<Hosts> {
  return {
    builder: `${hostname()}, Linux ${release()} ${arch()}, ${amount(cpus().length, "cpu")}, node ${process.versions.node}`,
    // Does not fail a step that needs no machine just because the hypervisor does not answer.
    hypervisor: await hypervisor.describe().catch(() => "did not answer"),
  };
}

/**
 * Where this version is made, and the steps that were made elsewhere: `hypervisor of install-guest,
 * provision-guest`.
 */
export function hostsOfAll(here: Hosts, steps: Readonly<Record<string, Hosts>>): Hosts {
  const elsewhere = new Map<string, string[]>();
  for (const [step, hosts] of Object.entries(steps))
    for (const [what, said] of Object.entries(here)) {
      const other = hosts[what] ?? "not recorded";
      if (other === said) continue;
      const key = JSON.stringify([what, other]);
      elsewhere.set(key, [...(elsewhere.get(key) ?? []), step]);
    }
  const others = [...elsewhere].map(([key, names]) => {
    const [what, other] = JSON.parse(key) as [string, string];
    return [`${what} of ${names.join(", ")}`, other];
  });
  return { ...here, ...Object.fromEntries(others) };
}

/** The requested version, or the next patch number that is free in the store and the recipe repo. */
export async function freeVersion(
  context: Pick<BuildContext, "name" | "store" | "records">,
  kind: Manifest["kind"],
  wanted: string,
): Promise<string> {
  const { name, store, records } = context;
  const existing = [...(await store.versions(kind, name)), ...(await records.versions(kind, name))];
  return proposeVersion(existing, wanted);
}
