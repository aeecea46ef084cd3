import { expect, it } from "vitest";
import { imagePath } from "../../src/image/change/planned-change.ts";

it("a missing image is a usage error, for every command that changes images", async () => {
  await expect(imagePath("/nowhere/none.img")).rejects.toMatchObject({
    fault: "usage",
    message: "/nowhere/none.img: there is no such file",
  });
});
