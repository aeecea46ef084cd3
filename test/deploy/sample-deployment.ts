import { type Prepared, prepare, prepareDestruction, type VersionFound } from "../../src/deploy/deploy.ts";
import { readDeployment } from "../../src/deploy/load.ts";
import type { Place } from "../../src/deploy/place.ts";
import type { DeployEvent } from "../../src/deploy/run.ts";
import { readState } from "../../src/deploy/state.ts";
import type { GivenValue } from "../../src/firstboot/values.ts";
import type { Manifest } from "../../src/model/manifest.ts";
import { sampleParameter as parameter, sampleManifest } from "../manifest-sample.ts";

const network = "com.oracle.linux.network";

/** A template whose additions report, with the parameters of the network and the root password. */
export const deployTemplate: Manifest = sampleManifest(
  {
    digest: `sha256:${"b".repeat(64)}`,
    name: "System.img",
    bytes: 16 * 2 ** 20,
    dataBytes: 0,
  } as Manifest["disks"][number],
  {
    name: "ol6-grid",
    rehearsal: true,
    machine: { vcpus: 1, memoryMib: 512, nics: ["public"] },
    contract: [
      ...["hostname", "device.0", "onboot.0", "bootproto.0", "ipaddr.0", "netmask.0", "gateway.0"].map(
        (one) => parameter(`${network}.${one}`),
      ),
      parameter("org.tbuild.grid.mode", { module: "grid" }),
      parameter("com.oracle.linux.root-password", {
        module: "authentication",
        required: true,
        password: true,
      }),
    ],
  },
);

export const rootPassword = "correct horse battery";

/** Two nodes with three shared disks, and one private disk each. */
export const twoNodes = `name: rac
template: ol6-grid
shared:
  - { name: asm1, size: 1G }
  - { name: asm2, size: 1G }
  - { name: asm3, size: 1G }
machines:
  - name: rac[1-2]
    memory: 1G
    nics: [{ network: public, address: "192.0.2.{number+10}/24", gateway: 192.0.2.1 }]
    disks: [{ name: u01, size: 2G }]
    shared: [asm1, asm2, asm3]
    values: { org.tbuild.grid.mode: cluster }
apart: [[rac1, rac2]]
values:
  com.oracle.linux.root-password: { env: ROOT_PASSWORD }
`;

export interface Deploying {
  readonly stateFile: string;
  readonly replace?: readonly string[];
  readonly report?: (event: DeployEvent) => void;
  readonly version?: (ref: string) => Promise<VersionFound>;
  readonly allowRevoked?: boolean;
  readonly stopGraceMs?: number;
  readonly signal?: AbortSignal;
}

export async function plan(place: Place, text: string, options: Deploying): Promise<Prepared> {
  const {
    stateFile,
    replace = [],
    version = async () => ({ manifest: deployTemplate, isHere: true }),
  } = options;
  return prepare(
    readDeployment("sample.yaml", text),
    { place, stateFile, version },
    { replace, allowRevoked: options.allowRevoked === true },
  );
}

const resolve = async ({ value }: GivenValue) => (typeof value === "string" ? value : rootPassword);

export async function deploy(place: Place, text: string, options: Deploying) {
  const prepared = await plan(place, text, options);
  return { prepared, ...(await carryOut(prepared, options)) };
}

export async function destroy(place: Place, options: Deploying): Promise<Prepared | undefined> {
  const known = await readState(options.stateFile);
  const prepared = await prepareDestruction(place, options.stateFile, known?.deployment ?? "");
  if (prepared) await carryOut(prepared, options);
  return prepared;
}

function carryOut(prepared: Prepared, options: Deploying) {
  return prepared.carryOut({
    resolve,
    signal: options.signal ?? new AbortController().signal,
    report: options.report ?? (() => {}),
    pollMs: 1,
    ...(options.stopGraceMs !== undefined && { stopGraceMs: options.stopGraceMs }),
  });
}
