import { readdirSync, readFileSync, statSync } from "node:fs";
import { join, resolve } from "node:path";
import { describe, expect, it } from "vitest";
import { readVmCfg, vmCfgBytes } from "../../src/vm-cfg/document.ts";
import { editVmCfg } from "../../src/vm-cfg/edit.ts";
import { masked } from "../../src/vm-cfg/secrets.ts";

const tests = resolve(import.meta.dirname, "..");
const samples: [string, Buffer][] = readdirSync(tests, { recursive: true, encoding: "utf8" })
  .filter((name) => /\.cfg$/.test(name) && !/refused-/.test(name) && statSync(join(tests, name)).isFile())
  .map((name) => [name, readFileSync(join(tests, name))]);

// What people and tools write: line ends, comments, both syntaxes, and the lists without quotes of a talk.
const written: Record<string, string> = {
  "Manager's":
    "vif = ['mac=00:21:f6:00:00:01,bridge=br0']\nOVM_simple_name = 'a'\ndisk = ['file:/a.img,xvda,w']\nmemory = 512\n",
  "without a line end": "name = 'a'\nmemory = 512",
  "Windows line ends": "name = 'a'\r\nmemory = 512\r\n# end\r\n",
  "old Mac line ends": "name = 'a'\rmemory = 512\r",
  "with a byte order mark": "\ufeffname = 'a'\nmemory = 512\n",
  "Latin 1 in a comment": "# -*- coding: latin-1 -*-\n# f\u00fcr\nname = 'a'\nmemory = 512\n",
  "xl's":
    'name="h0"; type="hvm"\nmemory = 512\ndisk = [ "format=raw, vdev=xvda, access=rw, target=/a.img" ]\n',
  "a talk's":
    "name = 'a'\nvfb = [type=vnc,vncunused=1,vnclisten=127.0.0.1,vncpasswd=geheim]\nvif = [mac=00:21:f6:00:00:01,bridge=br0]\nmemory = 512\n",
  "continued lines": "name = 'a' \\\n  'b'\nmemory = \\\n 512   # half\n\n\n",
  sums: "disk = ['file:/a.img,xvda,w']\ndisk += [\n  'file:/b.img,xvdb,w', # second\n]\nmemory = 512\n",
};

describe.each([
  ...samples,
  ...Object.entries(written).map(([name, text]) => [name, Buffer.from(text, "utf8")] as const),
])("a vm.cfg: %s", (name, bytes) => {
  it("is written back byte for byte", () => {
    expect(vmCfgBytes(readVmCfg(bytes)).equals(bytes)).toBe(true);
    const same = Object.fromEntries(readVmCfg(bytes).values);
    // Setting each key to the value that it has changes nothing either.
    if (!/Latin/.test(name)) expect(vmCfgBytes(editVmCfg(readVmCfg(bytes), same)).equals(bytes)).toBe(true);
  });

  it("changes only the edited lines", () => {
    const document = readVmCfg(bytes);
    const edited = vmCfgBytes(editVmCfg(document, { memory: 4097 })).toString("latin1");
    const lines = (text: string) => text.split(/\r\n|\n|\r/);
    const touched = document.statements.filter(({ key }) => key === "memory");
    const kept = touched.reduceRight((text, { start, end }) => {
      const from = /[^\r\n]*$/.exec(text.slice(0, start))?.index ?? start;
      return text.slice(0, from) + text.slice(end).replace(/^[^\r\n]*/, "");
    }, document.text);
    for (const line of lines(kept)) if (line !== "") expect(lines(edited)).toContain(line);
    const { memory, ...others } = Object.fromEntries(readVmCfg(Buffer.from(edited, "latin1")).values);
    expect(memory).toBe(4097);
    const { memory: _, ...before } = Object.fromEntries(document.values);
    expect(others).toEqual(before);
  });
});

describe("the lists without quotes", () => {
  const document = readVmCfg(Buffer.from(written["a talk's"] ?? ""));

  it("are accepted with a remark, and mended when they are edited", () => {
    expect(document.remarks.map(({ line }) => line)).toEqual([2, 3]);
    const vif = document.values.get("vif");
    expect(vif).toEqual(["mac=00:21:f6:00:00:01,bridge=br0"]);
    const mended = editVmCfg(document, { vif: ["mac=00:21:f6:00:00:02,bridge=br0"] });
    expect(mended.text).toContain("vif = ['mac=00:21:f6:00:00:02,bridge=br0']");
  });

  it("print no password", () => {
    expect(JSON.stringify([...document.values].map(([key, value]) => masked(key, value)))).not.toContain(
      "geheim",
    );
  });
});
