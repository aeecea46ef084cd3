import { expect, it } from "vitest";
import { whatIn } from "../../src/guest/leftovers/search.ts";

const page = 4096;
const search = { traits: [], volumes: new Set<string>(), packaged: undefined, except: [] };

/** A swap file of ten pages, as mkswap writes it. */
function swapFile(signature = "SWAPSPACE2"): Buffer {
  const file = Buffer.alloc(10 * page);
  file.writeUInt32LE(1, 1024);
  file.writeUInt32LE(9, 1028);
  file.write(signature, page - signature.length, "latin1");
  return file;
}

it("names the memory in a swap file that the guest does not use", () => {
  const used = swapFile();
  used[5 * page] = 7;
  expect(whatIn("/swap.old", used, search)).toBe("memory of an unused swap file");
  expect(whatIn("/swap.old", swapFile("SWAPSPACE2S1SUSPEND\0"), search)).toMatch(
    /^memory of an unused swap file/,
  );
});

it("names no empty swap file, and no other file", () => {
  expect(whatIn("/swap.old", swapFile(), search)).toBeUndefined();
  const other = Buffer.alloc(10 * page, 7);
  expect(whatIn("/data", other, search)).toBeUndefined();
  expect(whatIn("/short", Buffer.from("SWAPSPACE2"), search)).toBeUndefined();
});
