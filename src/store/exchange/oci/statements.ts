import { z } from "zod";
import { digestOf } from "../../../model/digest.ts";
import { DigestText } from "../../../model/digest-text.ts";
import { Name, Version } from "../../../model/manifest.ts";
import { channelNames } from "../../records/pointers.ts";
import type { Records } from "../../records/records.ts";
import { manifestType, type Registry } from "./registry.ts";

/*
 * Statements about versions in a registry. Each is a separate small artifact. Its tag contains its subject,
 * its time and the first digits of its digest: `tbuild.revoked.1.0.0.20261129T071210123Z.0123456789ab`. No
 * tag is written twice, so simultaneous pushes lose nothing. The newest statement about a subject counts.
 */
const artifactType = "application/vnd.tbuild.statement.v1";
const statementType = "application/vnd.tbuild.statement.v1+json";
const emptyType = "application/vnd.oci.empty.v1+json";
const signatureKey = "vnd.tbuild.signature";
const largest = 64 * 1024;
/** The most statements per subject that are read to find one that counts. */
const mostTries = 20;
const mostBefore = 20;

const When = z.iso.datetime();
const pointer = {
  version: Version,
  digest: DigestText,
  since: When,
  why: z.string().max(2000).exactOptional(),
};
const Statement = z.discriminatedUnion("says", [
  z.object({
    says: z.literal("revoked"),
    name: Name,
    version: Version,
    reason: z.string().max(2000),
    since: When,
    lifted: When.exactOptional(),
  }),
  z.object({
    says: z.literal("channel"),
    name: Name,
    channel: z.enum(channelNames),
    ...pointer,
    before: z.array(z.object(pointer)).max(mostBefore),
  }),
  z.object({
    says: z.literal("tag"),
    name: Name,
    tag: z.string().regex(/^[a-z][a-z0-9._-]{0,39}$/),
    ...pointer,
  }),
]);
export type Statement = z.infer<typeof Statement>;

export interface Found {
  readonly statement: Statement;
  readonly text: string;
  readonly signature?: string;
}

const Artifact = z.looseObject({
  artifactType: z.literal(artifactType),
  layers: z.tuple([
    z.looseObject({ mediaType: z.literal(statementType), data: z.base64().max(2 * largest) }),
  ]),
  annotations: z.looseObject({ [signatureKey]: z.string().max(16_384).exactOptional() }).exactOptional(),
});

/** Everything that the records state about a template, in the form for a registry. */
export async function statementsIn(records: Records, name: string): Promise<Statement[]> {
  const said: Statement[] = [];
  for (const [version, revocation] of await records.revocations(name))
    said.push({ says: "revoked", name, version, ...revocation });
  for (const channel of channelNames) {
    const to = await records.channel(name, channel);
    if (to) said.push({ says: "channel", name, channel, ...to, before: [...to.before].slice(-mostBefore) });
  }
  for (const [tag, to] of Object.entries(await records.tags(name)))
    said.push({ says: "tag", name, tag, ...to });
  return said;
}

/** Returns whether a statement is valid, or why not. */
export type Judge = (found: Found) => Promise<true | string>;

/** Adds statements that the registry lacks or has in an older form. Returns how many. */
export async function pushStatements(
  registry: Registry,
  statements: readonly Statement[],
  sign: (text: string) => Promise<string | undefined>,
  judge: Judge,
): Promise<number> {
  // If the registry does not list its tags, all statements are pushed: equal statements have equal tags.
  const { names } = await registry.tags();
  const there = newestFirst(names);
  let sent = 0;
  for (const statement of statements) {
    const text = `${JSON.stringify(statement)}\n`;
    const data = Buffer.from(text);
    const tag = tagOf(statement, data);
    const others = there.get(subjectOf(statement)) ?? [];
    const newer = statement.says === "tag" ? others : others.filter((one) => one.time > timeIn(tag));
    if (await someCounts(registry, newer, statement.name, judge)) continue;
    const same = others.some((one) => one.tag === tag)
      ? readStatement(await registry.getManifest(tag))
      : undefined;
    const signature = same?.signature ?? (await sign(text));
    if (!same || same.signature !== signature) {
      await putStatement(registry, statement, data, signature);
      sent++;
    }
    await pointAt(registry, statement);
  }
  return sent;
}

async function someCounts(
  registry: Registry,
  tags: readonly { readonly tag: string }[],
  name: string,
  judge: Judge,
): Promise<boolean> {
  for (const { tag } of tags.slice(0, mostTries)) {
    const found = readStatement(await registry.getManifest(tag), tag);
    if (found?.statement.name === name && (await judge(found)) === true) return true;
  }
  return false;
}

async function putStatement(
  registry: Registry,
  statement: Statement,
  data: Uint8Array,
  signature: string | undefined,
): Promise<void> {
  const empty = Buffer.from("{}");
  for (const blob of [empty, data])
    if (!(await registry.hasBlob(digestOf(blob)))) await registry.putBlob(digestOf(blob), blob);
  const artifact = {
    schemaVersion: 2,
    mediaType: manifestType,
    artifactType,
    config: { mediaType: emptyType, digest: digestOf(empty), size: empty.length },
    layers: [
      {
        mediaType: statementType,
        digest: digestOf(data),
        size: data.length,
        data: Buffer.from(data).toString("base64"),
      },
    ],
    annotations: {
      "org.opencontainers.image.title": subjectOf(statement),
      ...(signature !== undefined && { [signatureKey]: signature }),
    },
  };
  await registry.putManifest(tagOf(statement, data), Buffer.from(JSON.stringify(artifact)));
}

/** Other tools see a channel or tag as a registry tag. tbuild uses the statements, which can be signed. */
async function pointAt(registry: Registry, statement: Statement): Promise<void> {
  if (statement.says === "revoked") return;
  const name = statement.says === "tag" ? statement.tag : statement.channel;
  const artifact = await registry.getManifest(statement.version);
  if (!artifact || !Buffer.from(artifact).includes(statement.digest)) return;
  const there = await registry.getManifest(name);
  if (!there || !Buffer.from(there).equals(artifact)) await registry.putManifest(name, artifact);
}

/** A registry's statements about the versions of a repository. */
export interface Heard {
  readonly names: readonly string[];
  /** The newest valid statement about each subject; for a tag, which is permanent, the oldest. Of templates of any name. */
  readonly statements: readonly Statement[];
  /** Newer statements that do not count, and why. */
  readonly doubted: readonly { readonly statement: Statement; readonly why: string }[];
  /** Why its statements are unknown or incomplete. */
  readonly lacking?: string;
}

export async function readStatements(registry: Registry, judge: Judge): Promise<Heard> {
  const { names, lacking } = await registry.tags();
  const statements: Statement[] = [];
  const doubted: { statement: Statement; why: string }[] = [];
  for (const [subject, tags] of newestFirst(names)) {
    const ordered = subject.startsWith("tag.") ? [...tags].reverse() : tags;
    for (const { tag } of ordered.slice(0, mostTries)) {
      const one = readStatement(await registry.getManifest(tag), tag);
      if (one === undefined) continue;
      const worth = await judge(one);
      if (worth === true) {
        statements.push(one.statement);
        break;
      }
      doubted.push({ statement: one.statement, why: worth });
    }
  }
  return { names, statements, doubted, ...(lacking !== undefined && { lacking }) };
}

/** Adopts statements that are newer than the records. Returns a description of each. */
export async function takeStatements(records: Records, statements: readonly Statement[]): Promise<string[]> {
  const taken: string[] = [];
  for (const statement of statements) {
    const { name, version } = statement;
    if (statement.says === "revoked") {
      const { reason, since, lifted } = statement;
      const own = (await records.revocations(name)).get(version);
      if (own ? (own.lifted ?? own.since) >= (lifted ?? since) : lifted !== undefined) continue;
      await records.revoke(name, version, { reason, since, ...(lifted !== undefined && { lifted }) });
      taken.push(statementWords(statement));
    } else if (statement.says === "channel") {
      const { says: _says, name: _name, channel, ...to } = statement;
      const own = await records.channel(name, channel);
      if (own !== undefined && own.since >= to.since) continue;
      await records.setChannel(name, channel, to);
      taken.push(statementWords(statement));
    } else {
      const { says: _says, name: _name, tag, ...to } = statement;
      const own = (await records.tags(name))[tag];
      if (own?.digest === to.digest) continue;
      if (own)
        taken.push(
          `${name}: the tag ${tag} is on ${own.version} here and on ${version} there; it is not changed`,
        );
      else {
        await records.setTag(name, tag, to);
        taken.push(statementWords(statement));
      }
    }
  }
  return taken;
}

// A wrong clock, or a false time in the far future, would win forever.
const aheadMs = 24 * 60 * 60 * 1000;

/**
 * If there is an `allowed_signers` file, only its signers' statements count, including warnings. Otherwise anybody with
 * write access to the registry could block a version. Without that file, everything counts except bad signatures.
 */
export function judgeBy(records: Records): Judge {
  return async ({ statement, text, signature }) => {
    const worth = await records.statementSignature(text, signature);
    if (worth.state === "bad") return `its signature is bad: ${worth.why}`;
    if (Date.parse(timeOf(statement)) > Date.now() + aheadMs) return "its time is more than a day ahead";
    if (worth.state === "good" || !(await records.hasSigners())) return true;
    return worth.state === "unsigned"
      ? "it is not signed, but allowed_signers lists who may sign"
      : `allowed_signers does not list the key that signed it, ${worth.key}`;
  };
}

/** Describes a statement for people. */
export function statementWords(statement: Statement): string {
  const { name, version } = statement;
  if (statement.says === "channel") return `${name}: ${statement.channel} points at ${version}`;
  if (statement.says === "tag") return `${name}@${version} is tagged ${statement.tag}`;
  return `${name}@${version} ${statement.lifted === undefined ? `was revoked: ${statement.reason}` : "is no longer revoked"}`;
}

/** `undefined` if the artifact is not a statement, or its tag does not match it. */
function readStatement(artifact: Uint8Array | undefined, tag?: string): Found | undefined {
  try {
    const { layers, annotations } = Artifact.parse(JSON.parse(Buffer.from(artifact ?? []).toString("utf8")));
    const text = Buffer.from(layers[0].data, "base64").toString("utf8");
    const signature = annotations?.[signatureKey];
    const statement = Statement.parse(JSON.parse(text));
    if (tag !== undefined && tagOf(statement, Buffer.from(text)) !== tag) return undefined;
    return { statement, text, ...(signature !== undefined && { signature }) };
  } catch {
    return undefined;
  }
}

function timeIn(tag: string): string {
  return tag.split(".").at(-2) ?? "";
}

function newestFirst(
  tags: readonly string[],
): Map<string, { readonly tag: string; readonly time: string }[]> {
  const found = new Map<string, { tag: string; time: string }[]>();
  for (const tag of tags) {
    const [, subject, time] =
      /^tbuild\.((?:revoked|channel|tag)\..+)\.(\d{8}T\d{9}Z)\.[0-9a-f]{12}$/.exec(tag) ?? [];
    if (subject === undefined || time === undefined) continue;
    found.set(subject, [...(found.get(subject) ?? []), { tag, time }]);
  }
  for (const all of found.values()) all.sort((a, b) => b.time.localeCompare(a.time));
  return found;
}

function subjectOf(statement: Statement): string {
  if (statement.says === "revoked") return `revoked.${statement.version}`;
  return statement.says === "channel" ? `channel.${statement.channel}` : `tag.${statement.tag}`;
}

function timeOf(statement: Statement): string {
  return (statement.says === "revoked" && statement.lifted) || statement.since;
}

function tagOf(statement: Statement, text: Uint8Array): string {
  return `tbuild.${subjectOf(statement)}.${compact(timeOf(statement))}.${digestOf(text).slice(7, 19)}`;
}

/** `20261129T071210123Z`. */
function compact(time: string): string {
  return new Date(time).toISOString().replace(/[-:.]/g, "");
}
