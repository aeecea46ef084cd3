import { expect, it } from "vitest";
import { imagePath } from "../../src/image/change/planned-change.ts";

it("an image that is not there is the caller's to name right, for every command that changes one", async () => {
  await expect(imagePath("/nowhere/none.img")).rejects.toMatchObject({
    fault: "usage",
    message: "/nowhere/none.img: there is no such file",
  });
});
