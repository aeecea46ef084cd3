import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { command, instance } from "../../src/manager/cli/command.ts";
import { attribute, parseCommands } from "../../src/manager/simulator/cli-language.ts";

describe("commands of the CLI", () => {
  it("quotes what needs it, with slashes as escapes", () => {
    expect(command("add Repository", { url: "http://example.com/mytemplate.tgz" }).text).toBe(
      'add Repository url="http:////example.com//mytemplate.tgz"',
    );
    expect(command("edit Vm id=1", { description: 'HR\'s "VMs"' }).text).toBe(
      'edit Vm id=1 description="HR\'s /"VMs/""',
    );
    expect(
      command("create Vm", { memory: 512, highAvailability: true, x: undefined }, "on ServerPool id=1").text,
    ).toBe("create Vm memory=512 highAvailability=Yes on ServerPool id=1");
  });

  it("never shows a secret", () => {
    const one = command(`sendVmMessage ${instance({ type: "Vm", id: "1" })}`, {
      key: "com.oracle.linux.root-password",
      message: { secret: 'a "b"/c' },
      log: false,
    });
    expect(one.shown).toBe("sendVmMessage Vm id=1 key=com.oracle.linux.root-password message=*** log=No");
    expect(one.text).toContain('message="a /"b/"//c"');
  });

  it.each(["a\nb", "a\rdelete Vm id=1", "a\u2028b", "\u0000"])(
    "refuses %j, which would end the command",
    (text) => {
      expect(() => command("edit Vm id=1", { description: text })).toThrow(/control character/);
    },
  );

  it("is read back as it was meant, whatever the value and whichever way slashes outside quotes are read", () => {
    const value = fc
      .string({ unit: "grapheme", maxLength: 40 })
      .filter((text) => !/[\p{Cc}\p{Zl}\p{Zp}]/u.test(text));
    fc.assert(
      fc.property(value, value, fc.constantFrom("plain", "escape"), (a, b, slash) => {
        const one = command("create Vm", { name: a, description: b }, "on ServerPool id=1");
        const [read, ...more] = parseCommands(one.text, slash as "plain");
        expect(more).toEqual([]);
        expect(read && attribute(read, "name", 2)).toBe(a);
        expect(read && attribute(read, "description")).toBe(b);
      }),
    );
  });
});
