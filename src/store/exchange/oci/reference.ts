import { TbuildError } from "../../../errors.ts";
import type { Digest } from "../../../model/digest.ts";

/** `host[:port]/path`, and an artifact: a tag, or the digest of a manifest. */
export interface Reference {
  readonly registry: string;
  readonly repository: string;
  readonly which?: string;
}

const pattern =
  /^([A-Za-z0-9.-]+(?::\d{1,5})?|\[[0-9a-fA-F:]+\](?::\d{1,5})?)\/([a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*)(?::(\w[\w.-]{0,127})|@(sha256:[0-9a-f]{64}))?$/;

export function parseReference(text: string): Reference {
  const [, registry, repository, tag, digest] = (text.length < 512 && pattern.exec(text)) || [];
  if (registry === undefined || repository === undefined)
    throw new TbuildError("usage", "is not a registry reference", {
      subject: text.slice(0, 200),
      hint: "For example registry.example:5000/templates/ol6-grid:1.0.0. The host is required.",
    });
  const which = tag ?? digest;
  return { registry, repository, ...(which !== undefined && { which }) };
}

export function referenceText({ registry, repository, which }: Reference): string {
  return `${registry}/${repository}${which === undefined ? "" : `${isDigest(which) ? "@" : ":"}${which}`}`;
}

export function isDigest(which: string): which is Digest {
  return which.startsWith("sha256:");
}
