import { describe, expect, it } from "vitest";
import { loopbackFor, mirrorsFor } from "../../src/build/repository-server.ts";
import type { TbuildError } from "../../src/errors.ts";

const addresses = { address: () => "", netmask: "", gateway: "", nameServer: "" };
const far = { name: "xen on dom0", buildAddresses: addresses };
const near = { name: "qemu", buildAddresses: { ...addresses, loopback: "10.1.1.1" } };

describe("folders that serve a guest as repositories", () => {
  const { served, urls } = mirrorsFor({ a: "/srv/a", b: "http://b/" }, { c: "/srv/c" });

  it("have URLs by which the guest reaches them", () => {
    expect(urls(81, loopbackFor(near, served))).toEqual({
      a: "http://10.1.1.1:81/a/",
      b: "http://b/",
      c: "http://10.1.1.1:81/c/",
    });
  });

  it("are refused by name if guests cannot reach them", () => {
    const refused = () => {
      try {
        return loopbackFor(far, served);
      } catch (error) {
        return error as TbuildError;
      }
    };
    expect(refused()).toMatchObject({
      fault: "environment",
      lines: ["repository a: /srv/a", "repository c: /srv/c"],
    });
    expect(loopbackFor(far, {})).toBeUndefined();
  });
});
