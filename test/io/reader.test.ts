import { expect, it } from "vitest";
import { fileReader } from "../../src/io/reader.ts";

it("an error of the system while a file is read names the file", async () => {
  // A folder can be opened, and not read.
  await using reader = await fileReader(import.meta.dirname);
  await expect(reader.read(0, 10)).rejects.toMatchObject({
    fault: "environment",
    message: `${import.meta.dirname}: is a folder`,
  });
});
