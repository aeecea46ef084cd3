import { statSync } from "node:fs";
import { TbuildError } from "../errors.ts";
import { namedBy } from "../io/escape.ts";
import { farPath } from "./named-image.ts";

/** A path in the guest of an image. */
export interface GuestPath {
  /** As `withImage` takes it. */
  readonly image: string;
  /** Absolute, in the guest. */
  readonly path: string;
}

/**
 * Parses `IMAGE:/PATH`, where IMAGE may be on another machine: `root@ovs1:/OVS/x.img:/etc/hosts`. Returns
 * `undefined` if the word names no image, for example if it is a local path. Names are written as tbuild
 * shows them: `\xe4` for a byte that is not UTF-8.
 */
export function guestPath(word: string): GuestPath | undefined {
  for (let at = word.indexOf(":"); at > 0; at = word.indexOf(":", at + 1)) {
    const image = word.slice(0, at);
    if (isFile(image)) return { image, path: absolute(word.slice(at + 1)) };
  }
  const at = word.lastIndexOf(":/");
  const image = word.slice(0, Math.max(at, 0));
  return farPath(image) ? { image, path: absolute(word.slice(at + 1)) } : undefined;
}

/**
 * Like `guestPath`; a word that names only an image means the root of its guest. Throws for any other word.
 */
export function guestPathOrRoot(word: string): GuestPath {
  const found = isFile(word) ? undefined : guestPath(word);
  if (found) return found;
  if (isFile(word) || farPath(word)) return { image: word, path: "/" };
  if (!word.includes(":/"))
    throw new TbuildError("usage", "there is no such image", {
      subject: word,
      hint: "Name an image, or a path in its guest: System.img:/etc",
    });
  throw noImage(word);
}

/** Like `guestPath`. Throws for any other word. */
export function requiredGuestPath(word: string): GuestPath {
  const found = guestPath(word);
  if (!found) throw noImage(word);
  return found;
}

/** The word names no image, or an image that does not exist. */
export function noImage(word: string): TbuildError {
  const at = word.indexOf(":/");
  return new TbuildError(
    "usage",
    at > 0 ? `there is no image ${word.slice(0, at)}` : "names no path in the guest of an image",
    {
      subject: word,
      hint: "Write IMAGE:/PATH, for example System.img:/etc/hosts",
    },
  );
}

function absolute(path: string): string {
  const named = namedBy(path).replace(/\/+/g, "/");
  return named.startsWith("/") ? named : `/${named}`;
}

function isFile(path: string): boolean {
  const found = statSync(path, { throwIfNoEntry: false });
  return found !== undefined && !found.isDirectory();
}
