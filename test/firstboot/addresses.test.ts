import { isIPv4, isIPv6 } from "node:net";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { isIpv4, isIpv6, isNetmask, netmaskOf } from "../../src/firstboot/addresses.ts";

const near = fc
  .array(
    fc.constantFrom("0", "1", "25", "255", "256", "01", "a", "ffff", ":", "::", ".", "%", "eth0", "-", " "),
    {
      maxLength: 18,
    },
  )
  .map((parts) => parts.join(""));

describe("an address", () => {
  it("is what Node takes for one", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          near,
          fc.ipV4(),
          fc.ipV6(),
          fc.ipV4().map((one) => `::ffff:${one}`),
        ),
        (text) => {
          expect({ text, v4: isIpv4(text), v6: isIpv6(text) }).toEqual({
            text,
            v4: isIPv4(text),
            v6: isIPv6(text),
          });
        },
      ),
      { numRuns: 3000 },
    );
  });

  it.each([
    "",
    ":",
    "::",
    ":::",
    "1::2::3",
    "::1.2.3.4",
    "1.2.3.4::",
    "1:2:3:4:5:6:1.2.3.4",
    "fe80::1%eth0",
    "::%",
  ])("%s too", (text) => expect(isIpv6(text)).toBe(isIPv6(text)));

  it("has a mask for each prefix", () => {
    const masks = Array.from({ length: 33 }, (_, bits) => netmaskOf(bits));
    expect(masks.slice(0, 9)).toEqual([
      ...["0.0.0.0", "128.0.0.0", "192.0.0.0", "224.0.0.0", "240.0.0.0", "248.0.0.0", "252.0.0.0"],
      ...["254.0.0.0", "255.0.0.0"],
    ]);
    expect(masks[26]).toBe("255.255.255.192");
    expect(masks.slice(1).every(isNetmask)).toBe(true);
  });
});
