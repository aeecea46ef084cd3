import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { z } from "zod";
import { TbuildError } from "../../src/errors.ts";
import { readVmCfg } from "../../src/vm-cfg/document.ts";
import { machineOf } from "../../src/vm-cfg/machine.ts";
import { masked } from "../../src/vm-cfg/secrets.ts";
import type { Dialect, Value } from "../../src/vm-cfg/value.ts";
import { writtenCfg } from "../../src/vm-cfg/write.ts";

const folder = resolve(import.meta.dirname, "samples/odd");
const names = readdirSync(folder).filter((name) => name.endsWith(".cfg"));
const Values = z.record(z.string(), z.unknown()).nullable();
/** What Python 2.7 and xl 4.17 read in each sample, null where they refuse it: by `judges.py`. */
const truth = z
  .record(z.string(), z.object({ python2: Values, xl: Values }))
  .parse(JSON.parse(readFileSync(resolve(folder, "../odd.json"), "utf8")));

const bytesOf = (name: string) => readFileSync(join(folder, name));
const isRefused = (name: string) => name.startsWith("refused-");
const read = names.filter((name) => !isRefused(name));
const valuesOf = (bytes: Uint8Array) => Object.fromEntries(readVmCfg(bytes).values);

/** As xl shows a value: every number as a text. */
function forXl(value: unknown): unknown {
  if (Array.isArray(value)) return value.map((one) => (Array.isArray(one) ? null : forXl(one)));
  if (typeof value === "string" && /^0(?:x[\da-f]+|[0-7]+)$/i.test(value))
    return String(Number(value.replace(/^0(?=[0-7])/, "0o")));
  return typeof value === "number" || typeof value === "boolean" ? String(Number(value)) : value;
}

describe("a vm.cfg as somebody wrote it", () => {
  it("is one of the samples that real parsers have read", () => {
    expect(Object.keys(truth).sort()).toEqual([...names].sort());
    expect(names.length).toBeGreaterThanOrEqual(88);
  });

  it.each(read)("%s: is read as Python 2 and xl read it", (name) => {
    const { python2, xl } = truth[name] ?? expect.unreachable();
    const { values, remarks } = readVmCfg(bytesOf(name));
    if (python2 !== null) expect(Object.fromEntries(values)).toEqual(python2);
    if (xl !== null)
      for (const [key, value] of Object.entries(xl))
        expect([key, forXl(values.get(key))]).toEqual([key, forXl(value)]);
    // Values that neither accepts are repaired, with a remark.
    if (python2 === null && xl === null) expect(remarks.length).toBeGreaterThan(0);
  });

  it.each(names.filter(isRefused))("%s: is refused with its line, and nothing is run", (name) => {
    expect(() => readVmCfg(bytesOf(name))).toThrow(TbuildError);
    expect(() => readVmCfg(bytesOf(name))).toThrow(/^vm\.cfg:[123]: /);
  });

  it.each(read)("%s: is written in both dialects with each loss named", (name) => {
    const values = readVmCfg(bytesOf(name)).values;
    for (const dialect of ["oracle-vm", "xl"] as const) {
      const written = writtenCfg([], values, dialect);
      const again = valuesOf(written);
      const lost = [...written.toString().matchAll(/^# not in xl's syntax: (\w+) = (.*)$/gm)];
      // The comment holds the value itself.
      for (const [, key = "", text] of lost)
        expect(valuesOf(Buffer.from(`# coding: utf-8\n${key} = ${text}\n`))).toEqual({
          [key]: values.get(key),
        });
      if (dialect === "oracle-vm") expect(lost).toEqual([]);
      const kept = [...values].filter(([key]) => !lost.some(([, one]) => one === key));
      expect(again).toEqual(Object.fromEntries(kept.map(([key, value]) => [key, in_(dialect, value)])));
    }
  });

  it.each(read)("%s: says what its machine is, and tells no secret", (name) => {
    const config = readVmCfg(bytesOf(name));
    const machine = machineOf(config);
    const shown = [...config.values].map(([key, value]) => [key, masked(key, value)]);
    expect(JSON.stringify([machine, shown])).not.toContain("geheim");
    const entries = config.values.get("disk");
    expect(machine.disks.map(({ text }) => text)).toEqual(Array.isArray(entries) ? entries : []);
    for (const { slot, options } of machine.disks) expect(slot ?? options.join()).not.toBe("");
  });
});

/** A value after conversion to a dialect: xl has no booleans, and only whole numbers from 0. */
function in_(dialect: Dialect, value: Value): unknown {
  if (dialect === "oracle-vm") return value;
  if (Array.isArray(value)) return value.map((one: Value) => in_(dialect, one));
  if (typeof value === "boolean") return Number(value);
  return typeof value === "number" && !(Number.isInteger(value) && value >= 0) ? String(value) : value;
}
