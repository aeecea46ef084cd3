import { describe, expect, it } from "vitest";
import { described } from "../../src/media/description.ts";

const says = (treeinfo: string, discinfo = "", volumeId = "") => described({ treeinfo, discinfo, volumeId });

describe("the description of a disc", () => {
  it.each([
    ["OL6.0 i386 Disc 1 20110203", 6, 0],
    ["OL6.10 x86_64 Disc 1 20180625", 6, 10],
    ["OL-7.9 Server.x86_64", 7, 9],
    ["OL-8-9-0-BaseOS-x86_64", 8, 9],
    ["OL-9-2-0-BaseOS-aarch64", 9, 2],
    ["Oracle Linux 5.11", 5, 11],
  ])("%s is a volume id that names its release", (volumeId, major, update) => {
    expect(says("", "", volumeId)).toMatchObject({ major, update });
  });

  it("is exact where any of its witnesses is exact", () => {
    expect(
      says("[general]\nversion = 8\narch = x86_64\n", "1\n8\nx86_64", "OL-8-9-0-BaseOS-x86_64"),
    ).toMatchObject({ major: 8, update: 9, arch: "x86_64" });
    expect(says("", "1326216456.87\nOracle Linux Server 5.8\nx86_64\n1,2,3,4\n", "LABEL")).toMatchObject({
      family: "Oracle Linux",
      major: 5,
      update: 8,
      arch: "x86_64",
    });
  });

  it("must not contradict itself", () => {
    expect(() => says("[general]\nversion = 6.10\n", "", "OL6.9 x86_64 Disc 1 20170324")).toThrow(
      /contradicts itself/,
    );
    expect(() => says("[general]\nversion = 7\n", "", "OL-8-9-0-BaseOS-x86_64")).toThrow(
      /contradicts itself/,
    );
  });

  it("must be complete, because tbuild cannot change discs", () => {
    const set = (n: number) => `[general]\nversion = 5.4\narch = x86_64\ntotaldiscs = 5\ndiscnum = ${n}\n`;
    expect(() => says(set(1))).toThrow(/is disc 1 of 5 of OL5\.4/);
    expect(() => says(set(3))).toThrow(/is disc 3 of a set of OL5\.4/);
    expect(() => says("", "1\nOracle Linux Server 5.4\nx86_64\n2\n")).toThrow(/is disc 2 of a set/);
    expect(() => says("", "", "OL6.10 x86_64 Disc 2 20180625")).toThrow(/is disc 2 of a set/);
  });

  it("may continue for a megabyte", () => {
    const endless = " ".repeat(1_000_000);
    expect(says(`x${endless}x\n[general]\nversion = 6.10\n`, `1\n${endless}1x${endless}\n`)).toMatchObject({
      update: 10,
    });
  });

  it("must name a release", () => {
    expect(() => says("", "", "MY_PHOTOS_2019")).toThrow(/is not an installation disc/);
    expect(() => says("[general]\nversion = __proto__\n[__proto__]\nx = 1\n")).toThrow(
      /is not an installation/,
    );
  });
});
