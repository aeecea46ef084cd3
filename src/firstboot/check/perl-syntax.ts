import type { Runner } from "../../host/host.ts";
import { stripped } from "./perl.ts";

/** What `perl -c` says of a program: a fault, or why it was not asked; `undefined` if it reads the program. */
export type PerlAnswer =
  | { readonly line: number; readonly text: string }
  | { readonly why: string }
  | undefined;

/**
 * Lets perl read a program without running it. `perl -c` does run some code: BEGIN blocks, and what `use` brings. So it gets
 * only a program that has no such code but Perl's own modules with plain arguments.
 */
export async function perlFault(host: Runner, script: Uint8Array): Promise<PerlAnswer> {
  const text = Buffer.from(script).toString("utf8");
  const why = runsWhenRead(text);
  if (why !== undefined) return { why: `perl would run its code to read it: ${why}` };
  // Options of the first line, such as -T, must be on the command line, too.
  const input = text.replace(/^#!.*/, "#!/usr/bin/perl");
  const { exitCode, stderr } = await host.run(["perl", "-c"], { input, allow: codes });
  if (exitCode === 0) return undefined;
  if (/^Can't locate /m.test(stderr)) return { why: "it uses a Perl module that this machine does not have" };
  const [, what = "a syntax error", line = "1"] = /^(.*?) at - line (\d+)/m.exec(stderr) ?? [];
  return { line: Number(line), text: what };
}

// perl ends with errno after a fault.
const codes = Array.from({ length: 255 }, (_, code) => code + 1);

// Of Perl's distribution. None of them runs anything of the program that uses it.
const known = new Set(
  (
    "strict warnings utf8 vars integer bytes feature diagnostics locale constant autodie Carp Cwd Data::Dumper Digest::MD5 " +
    "Digest::SHA Encode English Env Errno Fcntl File::Basename File::Copy File::Find File::Path File::Spec File::Temp FindBin " +
    "Getopt::Long Getopt::Std IO::File IO::Handle IO::Select IO::Socket IO::Socket::INET IPC::Open2 IPC::Open3 JSON::PP " +
    "List::Util MIME::Base64 POSIX Scalar::Util Socket Storable Symbol Sys::Hostname Sys::Syslog Text::ParseWords Text::Wrap " +
    "Time::HiRes Time::Local"
  ).split(" "),
);
const literal = String.raw`(?:'[^'\\$@]*'|"[^"\\$@]*"|-?\d[\d._]*|qw\s*(?:\([^()]*\)|/[^/]*/|\[[^\]]*\])|:?\w+(?=\s*=>))`;
const plainArguments = new RegExp(String.raw`^(?:[\s{}(),]|=>|${literal})*$`);

/** The code of a program that perl would run to read it, in words. Rather too much than too little. */
function runsWhenRead(text: string): string | undefined {
  const code = stripped(text);
  const word = /\b(?:BEGIN|UNITCHECK|CHECK|MODIFY_\w+_ATTRIBUTES|CORE::GLOBAL)\b/.exec(code)?.[0];
  if (word !== undefined) return word;
  const own = /\bpackage\s+(?!main\s*;)[\w:]+|\bsub\s+\w+(?:::|')\w+/.exec(code)?.[0];
  if (own !== undefined) return own;
  // A statement stands behind the end of another, or at the beginning of a line.
  for (const [, verb = "", name = "", given = ""] of code.matchAll(
    /(?:^|[;{}:])[ \t]*(use|no)\b\s*([\w:.]*)([^;]*)/gm,
  )) {
    const isVersion = /^v?\d[\d._]*$/.test(name);
    if (isVersion || (known.has(name) && plainArguments.test(given))) continue;
    return `${verb} ${name}`;
  }
  return undefined;
}
