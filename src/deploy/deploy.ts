import { TbuildError } from "../errors.ts";
import type { Answer } from "../firstboot/messages.ts";
import type { GivenValue } from "../firstboot/values.ts";
import type { Lock } from "../host/lock.ts";
import type { Manifest } from "../model/manifest.ts";
import { hasWholeContract } from "../model/manifest-sentences.ts";
import { type Finding, refuse } from "../recipe/findings.ts";
import { placed } from "../recipe/located.ts";
import { type Applied, apply } from "./apply.ts";
import { refuseLentDisks } from "./lent-disks.ts";
import type { LoadedDeployment, MachineAsked } from "./load.ts";
import type { Inventory, Place, PlacedTemplate, TemplateWanted } from "./place.ts";
import { isIdle, type Plan, planOf, planOfDestruction } from "./plan.ts";
import { digestOfValues } from "./plan-machines.ts";
import type { DeployEvent } from "./run.ts";
import { keepState, lockState, markOf, newState, readState, type State } from "./state.ts";
import { type ContractKnown, isSecret, valuesOf } from "./values.ts";
import { namesWanted, type TemplateChosen, wantedOf } from "./wanted.ts";

/** The context of a deployment. */
export interface Workplace {
  readonly place: Place;
  readonly stateFile: string;
  /** A version that tbuild knows, by its reference. */
  readonly version: (ref: string) => Promise<VersionFound>;
}

export interface VersionFound {
  readonly manifest: Manifest;
  /** Its disks are in the store. */
  readonly isHere: boolean;
  /** Why it was revoked, with the date. */
  readonly revoked?: string;
  /** Warnings for people who use it. */
  readonly warnings?: readonly string[];
}

/** A planned deployment, ready to run. */
export interface Prepared {
  readonly plan: Plan;
  readonly warnings: readonly string[];
  readonly state: State;
  /** Nothing is left to do, not even for the state. */
  readonly isDone: boolean;
  /** `resolve` fetches a value from its source. Each is requested once. */
  carryOut(options: {
    readonly resolve: (value: GivenValue) => Promise<string>;
    readonly signal: AbortSignal;
    readonly report: (event: DeployEvent) => void;
    readonly ended?: (about: string) => void;
    readonly pollMs?: number;
    readonly stopGraceMs?: number;
  }): Promise<Applied>;
}

interface TemplateKnown extends TemplateChosen, Partial<VersionFound> {
  readonly wanted: TemplateWanted;
  readonly contract: ContractKnown;
  /** Its additions report that the first boot is done. */
  readonly reports: boolean;
}

const atPlacePrefix = "place:";

/**
 * Plans a deployment: reads the place, makes nothing. Throws one `usage` fault with everything that is wrong
 * with the file or unavailable at this place.
 */
export async function prepare(
  loaded: LoadedDeployment,
  { place, stateFile, version }: Workplace,
  options: { readonly replace?: readonly string[]; readonly allowRevoked?: boolean } = {},
): Promise<Prepared> {
  const { deployment, machines, file } = loaded;
  const kept = await stateAt(stateFile, deployment.name, place);
  const state = kept ?? newState(deployment.name, place.identity);
  for (const name of options.replace ?? [])
    if (!machines.some((machine) => machine.name === name))
      throw new TbuildError("usage", "no such machine in the deployment", { subject: name });
  const [templates, abilities, surroundings, inventory] = [
    await templatesOf(loaded, place, version),
    await place.abilities(),
    await place.surroundings(),
    await place.look(markOf(state), namesWanted(loaded)),
  ];
  const templateOf = ({ entry }: MachineAsked) => {
    const found = templates.get(entry.template ?? deployment.template ?? "");
    if (!found) throw new Error("a machine without template");
    return found;
  };
  const judged = wantedOf(loaded, { state, template: templateOf, abilities, surroundings, inventory });
  const findings: Finding[] = [...judged.problems];
  const warnings: Finding[] = [...judged.warnings];
  const unheard: Finding[] = [];
  const given = new Map<string, readonly GivenValue[]>();
  for (const machine of machines) {
    const template = templateOf(machine);
    const checked = valuesOf(machine, template.contract);
    findings.push(...checked.errors);
    warnings.push(...checked.warnings);
    given.set(machine.name, checked.values);
    const reports = deployment.firstBoot.confirm === "report" || template.reports;
    if (checked.values.length > 0 && !abilities.messages.includes(reports ? "tbuild" : "oracle"))
      unheard.push(unheardBy(machine, reports));
  }
  findings.push(...unheard);
  refuse(file, unique(findings));

  const digests = digestsOf(given, [...templates.values()]);
  const digest = (name: string) => digests.get(name) ?? "";
  const plan = planOf(judged.wanted, inventory, state, {
    values: (name) => ({ any: (given.get(name) ?? []).length > 0, digest: digest(name) }),
    replace: new Set(options.replace),
  });
  if (plan.problems.length > 0)
    throw new TbuildError("environment", "cannot be deployed", { subject: file, lines: plan.problems });
  checkVersions(plan, [...templates.values()], options.allowRevoked === true);
  const unlent = () =>
    refuseLentDisks(place, plan, markOf(state), { what: "cannot be deployed", subject: file });
  await unlent();
  const known = new Map(machines.map((machine) => [machine.name, templateOf(machine)]));
  return {
    plan,
    state,
    isDone: isIdle(plan),
    warnings: [
      ...[...templates.values()].flatMap((template) => template.warnings ?? []),
      ...unique(warnings).map(
        ({ at, path, text }) => `${placed(at)}: ${path === "" ? "" : `${path}: `}${text}`,
      ),
    ],
    async carryOut({ resolve, ...run }) {
      const answers = await answersOf(plan, given, (name) => known.get(name)?.contract, resolve);
      await using _lock: Lock = await lockState(stateFile);
      const keeper = await keeperOf(stateFile, state, kept);
      await unlent();
      return await apply(plan, {
        place,
        keeper,
        ...run,
        answers: (name) => answers.get(name) ?? [],
        valuesDigest: digest,
        firstBoot: {
          confirm: (name) => deployment.firstBoot.confirm ?? (known.get(name)?.reports ? "report" : "none"),
          waitMs: deployment.firstBoot.wait * 1000,
          timeoutMs: deployment.firstBoot.timeout * 1000,
        },
        bring: async ({ ref, name }) => {
          const template = templates.get(ref);
          if (!template || !place.bringTemplate) throw new Error(`${name} cannot be copied to the place`);
          return await place.bringTemplate(template.wanted, {
            signal: run.signal,
            progress: (text) => run.report({ about: name, text, isPassing: true }),
          });
        },
      });
    },
  };
}

function unheardBy({ at }: MachineAsked, reports: boolean): Finding {
  return {
    at,
    path: "values",
    text: `first-boot messages of this place do not reach ${reports ? "tbuild's" : "Oracle's"} additions${reports ? "" : "; if the template has tbuild's, set firstBoot: { confirm: report }"}`,
  };
}

/** A digest of each machine's values. A secret is represented by its source. */
function digestsOf(
  given: ReadonlyMap<string, readonly GivenValue[]>,
  templates: readonly { readonly contract: ContractKnown }[],
): ReadonlyMap<string, string> {
  const parameters = templates.flatMap(({ contract }) => contract.parameters);
  const textOf = (one: GivenValue) => {
    if (typeof one.value !== "string") return JSON.stringify(one.value);
    return isSecret(one, { parameters, isWhole: true }) ? "" : one.value;
  };
  return new Map(
    [...given].map(([name, values]) => [
      name,
      digestOfValues(values.map((one): [string, string] => [one.key, textOf(one)])),
    ]),
  );
}

/**
 * Plans to destroy everything that the deployment made. `undefined`: there is no state, so nothing is known
 * to be ours.
 */
export async function prepareDestruction(
  place: Place,
  stateFile: string,
  deployment: string,
): Promise<Prepared | undefined> {
  const state = await stateAt(stateFile, deployment, place);
  if (!state) return undefined;
  const inventory: Inventory = await place.look(markOf(state), { machines: [], disks: [] });
  const plan = planOfDestruction(inventory, state);
  if (plan.problems.length > 0)
    throw new TbuildError("environment", "cannot be destroyed", {
      subject: state.deployment,
      lines: plan.problems,
    });
  const unlent = () =>
    refuseLentDisks(place, plan, markOf(state), { what: "cannot be destroyed", subject: deployment });
  await unlent();
  return {
    // The state is deleted as well, and the place's data for it.
    plan,
    state,
    isDone: false,
    warnings: [],
    async carryOut({ resolve: _, ...run }) {
      await using _lock: Lock = await lockState(stateFile);
      const keeper = await keeperOf(stateFile, state, state);
      await unlent();
      const applied = await apply(plan, {
        place,
        keeper,
        ...run,
        answers: () => [],
        valuesDigest: () => "",
        firstBoot: { confirm: () => "none", waitMs: 0, timeoutMs: 0 },
        bring: () => Promise.reject(new Error("nothing is brought")),
      });
      await keeper.forget();
      return applied;
    },
  };
}

async function stateAt(file: string, deployment: string, place: Place): Promise<State | undefined> {
  const state = await readState(file);
  if (state !== undefined && state.deployment !== deployment)
    throw new TbuildError("integrity", `is the state of another deployment: ${state.deployment}`, {
      subject: file,
      hint: "Restore its own state from a backup, or give the file its old name.",
    });
  if (state === undefined || state.place === place.identity) return state;
  throw new TbuildError("usage", `was deployed at another place: ${state.place}`, {
    subject: file,
    hint: `This place is ${place.identity}. Use the site file of the other place, or give this deployment another name.`,
  });
}

/** The plan is run only if no other process has run in the meantime. */
async function keeperOf(file: string, state: State, planned: State | undefined) {
  const now = await readState(file);
  if (JSON.stringify(now) !== JSON.stringify(planned))
    throw new TbuildError("environment", "changed while this run was being planned", {
      subject: file,
      hint: "Run it again to make a new plan.",
    });
  const keeper = keepState(file, state);
  await keeper.change(() => {});
  return keeper;
}

async function templatesOf(
  { deployment, machines, place: placeIn }: LoadedDeployment,
  place: Place,
  version: Workplace["version"],
): Promise<ReadonlyMap<string, TemplateKnown>> {
  const found = new Map<string, TemplateKnown>();
  for (const { entry } of machines) {
    const ref = entry.template ?? deployment.template;
    if (ref === undefined || found.has(ref)) continue;
    try {
      found.set(ref, await templateOf(ref, place, version));
    } catch (error) {
      if (!(error instanceof TbuildError)) throw error;
      const index = deployment.machines.findIndex(({ template }) => template === ref);
      throw error.within(placed(placeIn(index < 0 ? ["template"] : ["machines", index, "template"])));
    }
  }
  return found;
}

async function templateOf(ref: string, place: Place, version: Workplace["version"]): Promise<TemplateKnown> {
  if (ref.startsWith(atPlacePrefix)) {
    const wanted = { atPlace: ref.slice(atPlacePrefix.length) };
    const there: PlacedTemplate = await place.findTemplate(wanted);
    return {
      ref,
      wanted,
      name: there.name,
      placed: there,
      reports: false,
      contract: { parameters: [], isWhole: undefined },
    };
  }
  const found = await version(ref);
  const { manifest } = found;
  const wanted = { manifest };
  return {
    ...found,
    ref,
    wanted,
    name: `${manifest.name}@${manifest.version}`,
    placed: await place.findTemplate(wanted),
    contract: { parameters: manifest.contract, isWhole: hasWholeContract(manifest) },
    // tbuild's additions report the progress of the first boot. What Oracle's report is not documented.
    reports: manifest.rehearsal,
  };
}

/** Templates of new machines must be usable. Existing machines are kept. */
function checkVersions(plan: Plan, templates: readonly TemplateKnown[], allowRevoked: boolean): void {
  const used = new Set(
    plan.machines.flatMap(({ action, goal }) =>
      goal && (action === "create" || action === "replace") ? [goal.template.name] : [],
    ),
  );
  for (const { name, placed: there, isHere, revoked } of templates.filter((one) => used.has(one.name))) {
    if (revoked !== undefined && !allowRevoked)
      throw new TbuildError("usage", `was revoked ${revoked}`, {
        subject: name,
        hint: "Name another version, or use --allow-revoked.",
      });
    if (!there.isThere && isHere === false)
      throw new TbuildError("environment", "its disk is missing from this store", {
        subject: name,
        hint: "Pull or import it first.",
      });
  }
}

/** The values of the machines to configure. Secrets are resolved before anything is made. */
async function answersOf(
  plan: Plan,
  given: ReadonlyMap<string, readonly GivenValue[]>,
  contractOf: (machine: string) => ContractKnown | undefined,
  resolve: (value: GivenValue) => Promise<string>,
): Promise<ReadonlyMap<string, readonly Answer[]>> {
  const once = new Map<string, Promise<string>>();
  const resolved = (value: GivenValue): Promise<string> => {
    if (typeof value.value === "string") return Promise.resolve(value.value);
    const key = JSON.stringify([value.value, value.value.kind === "prompt" ? [value.key, value.at] : ""]);
    const known = once.get(key) ?? resolve(value);
    once.set(key, known);
    return known;
  };
  const answers = new Map<string, readonly Answer[]>();
  for (const { name, configure } of plan.machines) {
    if (!configure) continue;
    const contract = contractOf(name) ?? { parameters: [], isWhole: undefined };
    const list: Answer[] = [];
    for (const value of given.get(name) ?? [])
      list.push({ key: value.key, value: await resolved(value), password: isSecret(value, contract) });
    answers.set(name, list);
  }
  return answers;
}

function unique(findings: readonly Finding[]): Finding[] {
  const byWords = new Map(findings.map((one) => [`${placed(one.at)} ${one.path} ${one.text}`, one]));
  return [...byWords.values()];
}
