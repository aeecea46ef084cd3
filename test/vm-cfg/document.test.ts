import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TbuildError } from "../../src/errors.ts";
import { readVmCfg, vmCfgBytes } from "../../src/vm-cfg/document.ts";
import { editVmCfg } from "../../src/vm-cfg/edit.ts";

const values = (text: string | Uint8Array) => Object.fromEntries(readVmCfg(text).values);

describe("a vm.cfg", () => {
  it("as the Manager writes it is read, values and all", () => {
    expect(
      values(`# made by hand
vif = ['mac=00:21:f6:00:00:01,bridge=xenbr0', u"type=netfront,bridge=10a b"]
OVM_simple_name = 'it\\'s \\x41 "template"'
disk = [ 'file:/OVS/running_pool/x/System.img,xvda,w',   # the system
         'phy:/dev/sdb,xvdb,w!',
       ]
memory = "2048" ; 
maxvcpus=2
cpu_weight = 27500L
OVM_high_availability = False
extra = None
options = {'a': [1, -2, 0x1f], "b": (True, )}
path = r'C:\\new'
last = 'no new line at the end'`),
    ).toEqual({
      vif: ["mac=00:21:f6:00:00:01,bridge=xenbr0", "type=netfront,bridge=10a b"],
      OVM_simple_name: `it's A "template"`,
      disk: ["file:/OVS/running_pool/x/System.img,xvda,w", "phy:/dev/sdb,xvdb,w!"],
      memory: "2048",
      maxvcpus: 2,
      cpu_weight: 27500,
      OVM_high_availability: false,
      extra: null,
      options: { a: [1, -2, 31], b: [true] },
      path: "C:\\new",
      last: "no new line at the end",
    });
  });

  // Each was read by Python 2.7 too.
  it.each([
    ["an octal number", "0512", 330],
    ["a number in brackets", "(512)", 512],
    ["a tuple", "(512,)", [512]],
    ["an octal escape", "'\\101'", "A"],
    ["an escape that is none", "'\\q'", "\\q"],
    ["texts side by side", "'a' \"b\" r'\\c'", "ab\\c"],
    ["a text over several lines", "'''a\n'b'\n'''", "a\n'b'\n"],
    ["a text that goes on", "'a\\\nb'", "ab"],
    ["a value on the next line", "\\\n 5", 5],
    ["UTF-8 in bytes", "'\\xc3\\xbc'", "ü"],
    ["UTF-8 as it is", "'ü'", "ü"],
    ["a unicode text", "u'\\u00fc'", "ü"],
    ["a raw unicode text", "ur'\\u00fc\\n'", "ü\\n"],
    ["a sum of texts", "'a' + 'b'", "ab"],
    ["a product", "1024 * 2", 2048],
    ["a power, which binds more than a sign", "-2 ** 3 ** 2", -512],
    ["a shift, which binds less than a sum", "1 << 10 + 1", 2048],
    ["a shift in a list", "[(4097 >> 1) << 1]", [4096]],
    ["a format", "'mac=%s:%02x' % ('a', 10)", "mac=a:0a"],
    ["nothing in a list", "[]", []],
    ["a comment in a list", "[1, # one\n 2,\n]", [1, 2]],
    ["a long number", "512L", 512],
    ["a fraction", "1.5", 1.5],
  ])("with %s is read as Python 2 reads it", (_what, text, value) => {
    expect(values(`x = ${text}`)).toEqual({ x: value });
  });

  it("of xl's kind is read: semicolons, lists that go on, +=, and names of values above", () => {
    expect(values(`name="h0"; type="hvm"\nmemory = 512\n`)).toEqual({ name: "h0", type: "hvm", memory: 512 });
    expect(values(`disk = ['a',]\ndisk += [ 'b',\n]\nextra = "a"\nextra += " b"`)).toEqual({
      disk: ["a", "b"],
      extra: "a b",
    });
    expect(values("lib = '/usr/lib'\nkernel = lib + '/xen/boot'").kernel).toBe("/usr/lib/xen/boot");
  });

  it("as people write it from memory is read, with a remark", () => {
    const config = readVmCfg(
      "vfb = [type=vnc,vncunused=1]  \nvif = [mac=00:21:f6:99:73:1d,bridge=b, mac=00:21:f6:99:73:1e,bridge=c]\n",
    );
    expect(Object.fromEntries(config.values)).toEqual({
      vfb: ["type=vnc,vncunused=1"],
      vif: ["mac=00:21:f6:99:73:1d,bridge=b", "mac=00:21:f6:99:73:1e,bridge=c"],
    });
    expect(config.remarks.map(({ line, text }) => `${line}: ${text}`)).toEqual([
      "1: the list of vfb has no quotes; it is read as if it had them",
      "2: the list of vif has no quotes; it is read as if it had them",
    ]);
  });

  it.each([
    ["a call", "name = open('/etc/passwd').read()", 1],
    ["an import", "memory = 1\nimport os", 2],
    ["a name", "memory = other", 1],
    ["a number that is none", "memory = 512M", 1],
    ["an octal number with an 8", "memory = 08", 1],
    ["a list that does not end", "disk = ['a',\n'b'", 2],
    ["a text that does not end", "name = 'a\nb'", 1],
    ["a comparison", "memory == 1", 1],
    ["a power", "memory = 9**9**9", 1],
    ["nesting without end", `x = ${"[".repeat(100_000)}`, 1],
    ["texts that grow", "x = 'a' * 1000000000", 1],
    ["bytes of a program", "\u007fELF\u0001\u0000", 1],
  ])("with %s is refused with its line, and nothing is run", (_what, text, line) => {
    expect(() => readVmCfg(text)).toThrow(new RegExp(`^vm\\.cfg:${line}: `));
  });

  it("with several faults reports all of them", () => {
    const fault = (() => {
      try {
        return readVmCfg("import os\nmemory = x\nvcpus = 2\nname = f(1)\n");
      } catch (error) {
        return error as TbuildError;
      }
    })();
    expect(
      [(fault as TbuildError).message, ...(fault as TbuildError).lines].map((one) => one.slice(0, 9)),
    ).toEqual(["vm.cfg:1:", "vm.cfg:2:", "vm.cfg:4:"]);
  });

  it("of any text is read or refused, at once and in bounds", () => {
    const pieces = fc.constantFrom(
      "a",
      " = ",
      "=",
      "[",
      "]",
      "(",
      "{",
      "}",
      ",",
      "'",
      '"',
      "'''",
      "\\",
      "\n",
      "#",
      "1",
      "\0",
      ":",
      "+",
      "*",
      "a=[a,a]\n",
      "a=a*9\n",
      "vif=[",
      ";",
    );
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.array(pieces, { maxLength: 200 }).map((all) => all.join("")),
        ),
        (text) => {
          try {
            const config = readVmCfg(text);
            expect(vmCfgBytes(config)).toEqual(Buffer.from(text));
          } catch (error) {
            expect(error).toBeInstanceOf(TbuildError);
          }
        },
      ),
    );
    for (const text of ["a=1;".repeat(60_000), `a=[1]\n${"a=[a,a]\n".repeat(1000)}`, "'".repeat(200_000)]) {
      const began = Date.now();
      try {
        JSON.stringify([...readVmCfg(text).values]);
      } catch (error) {
        expect(error).toBeInstanceOf(TbuildError);
      }
      expect(Date.now() - began).toBeLessThan(5000);
    }
  });
});

describe("an edit of a vm.cfg", () => {
  const text = "# head\r\na = 1 # one\r\nb = [1,\r\n 2]; c = 3\r\n\r\nd = 4";
  const edited = (edits: Parameters<typeof editVmCfg>[1], of = text) =>
    vmCfgBytes(editVmCfg(readVmCfg(of), edits)).toString();

  it("that changes nothing leaves every byte", () => {
    for (const one of [text, "", "\ufeffa = 1\r\n", "x = '\\101'\n\n\n", "a = 0x10"])
      expect(edited({}, one)).toBe(one);
    expect(edited({ a: 1, b: [1, 2] })).toBe(text);
    expect(vmCfgBytes(readVmCfg(Buffer.from("a = '\xfc'\n", "latin1"))).toString("latin1")).toBe(
      "a = '\xfc'\n",
    );
  });

  it("changes the lines of its keys only", () => {
    expect(edited({ a: 2 })).toBe(text.replace("a = 1", "a = 2"));
    expect(edited({ c: undefined })).toBe(text.replace("c = 3", ""));
    expect(edited({ a: undefined })).toBe(text.replace("a = 1 # one\r\n", ""));
    expect(edited({ b: undefined })).toBe(text.replace("b = [1,\r\n 2]; ", ""));
    expect(edited({ e: ["it's"] })).toBe(`${text}\r\ne = ["it's"]\r\n`);
    expect(edited({ extra: "a" }, "extra = 'b'\nextra += 'c'\n")).toBe("extra = 'a'\n");
  });

  it("names the encoding when it brings the first umlaut", () => {
    expect(edited({ a: "ü" }, "a = 1\n")).toBe("# -*- coding: utf-8 -*-\na = 'ü'\n");
  });
});
