import { isUtf8 } from "node:buffer";
import { readFile } from "node:fs/promises";
import { TbuildError } from "../errors.ts";
import { mostBytes } from "../firstboot/message-limits.ts";
import type { GivenValue } from "../firstboot/values.ts";
import { reasonOf } from "../io/file-fault.ts";
import { placed } from "../recipe/located.ts";
import { askSecret } from "./ask-secret.ts";

/** Fetches a first-boot value from its source. Throws a `usage` fault that names its place in the file. */
export async function resolvedValue({ key, value, at }: GivenValue): Promise<string> {
  if (typeof value === "string") return value;
  const fail = (what: string, hint: string) =>
    new TbuildError("usage", `${key}: ${what}`, { subject: placed(at), hint });
  const found =
    value.kind === "env"
      ? process.env[value.name]
      : value.kind === "prompt"
        ? await askSecret(`${key}: `)
        : await readFile(value.path).then(
            (bytes) => {
              if (!isUtf8(bytes))
                throw fail(`${value.path} is not UTF-8`, "Convert the file, with iconv for example.");
              return inOneLine(key, bytes.toString("utf8").replace(/\r?\n$/, ""));
            },
            (error: NodeJS.ErrnoException) => {
              throw fail(
                `${value.path} cannot be read: ${reasonOf(error)}`,
                "Correct the path, or write the file.",
              );
            },
          );
  if (found === undefined || found === "")
    throw fail(
      value.kind === "env" ? `the environment variable ${value.name} is not set` : "the value is empty",
      "Set it before the command, or refer to a file.",
    );
  if (/[\0\r\n]/.test(found))
    throw fail(
      "the value has several lines or a zero byte",
      "A message has one line. If the module decodes it, encode the value, by base64 for example.",
    );
  if (Buffer.byteLength(found) > mostBytes.unlogged)
    throw fail(`the value has ${Buffer.byteLength(found)} bytes`, `A message takes ${mostBytes.unlogged}.`);
  return found;
}

// The module ssh reads \n as the end of a line, so a private key can be the file that ssh-keygen wrote.
function inOneLine(key: string, text: string): string {
  const isKey = /^com\.oracle\.linux\.ssh\.(?:private-key\.\d+|host-[a-z0-9]+-key)$/.test(key);
  return isKey && text.startsWith("-----BEGIN ") ? text.replaceAll(/\r?\n/g, "\\n") : text;
}
