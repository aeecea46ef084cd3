import { stringify } from "yaml";
import { TbuildError } from "../errors.ts";
import { type Located, readValue } from "../recipe/located.ts";
import { deploymentIn, type LoadedDeployment } from "./load.ts";
import { namesOf } from "./ranges.ts";

/** The options of `tbuild clone`. Texts are unchanged; the deployment's schema checks them. */
export interface CloneAsked {
  readonly template: string;
  readonly names: readonly string[];
  readonly vcpus?: string;
  readonly memory?: string;
  readonly clone?: string;
  readonly storage?: string;
  /** `public`, `public,192.0.2.11/24` or `public,192.0.2.11/24,192.0.2.1`: network, address, gateway. */
  readonly nics?: readonly string[];
  /** `u01=20G`. */
  readonly disks?: readonly string[];
  /** First-boot values, with the places where they are written. */
  readonly values?: Located;
}

/** The deployment for one command line: the same engine, with one kind of machine. */
export function cloneDeployment(asked: CloneAsked): LoadedDeployment {
  const [first = ""] = asked.names;
  const machines = asked.names.map((name) => ({
    name,
    ...(asked.vcpus !== undefined && { vcpus: Number(asked.vcpus) }),
    ...(asked.memory !== undefined && { memory: asked.memory }),
    ...(asked.nics && { nics: asked.nics.map(nicOf) }),
    ...(asked.disks && { disks: asked.disks.map(diskOf) }),
  }));
  const text = stringify({
    name: `clone-${namesOf(first)[0]?.name ?? first}`.slice(0, 60),
    template: asked.template,
    ...(asked.clone !== undefined && { clone: asked.clone }),
    ...(asked.storage !== undefined && { storage: asked.storage }),
    machines,
  });
  const said = readValue("command line", text);
  if (said.kind !== "map") throw new Error("a clone without keys");
  return deploymentIn("command line", {
    ...said,
    entries: asked.values ? new Map([...said.entries, ["values", asked.values]]) : said.entries,
  });
}

function nicOf(text: string): object {
  const [network = "", address, gateway] = text.split(",");
  return { network, ...(address !== undefined && { address }), ...(gateway !== undefined && { gateway }) };
}

function diskOf(text: string): object {
  const [, name, size] = /^([^=]+)=(.+)$/.exec(text) ?? [];
  if (name === undefined)
    throw new TbuildError("usage", `--disk ${text}: not NAME=SIZE`, { hint: "For example --disk u01=20G." });
  return { name, size };
}
