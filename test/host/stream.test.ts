import { describe, expect, it } from "vitest";
import { streamHere } from "../../src/host/local.ts";

const read = async (script: string) => {
  const pieces: string[] = [];
  for await (const piece of streamHere(["sh", "-c", script], new Uint8Array()))
    pieces.push(Buffer.from(piece).toString());
  return pieces.join("");
};

describe("the output of a program", () => {
  it("is whole if the program ends a moment after its last byte", async () => {
    expect(await read("printf all; exec >&-; sleep 0.1")).toBe("all");
  });

  it("is refused if the program fails after its last byte", async () => {
    await expect(read("printf all; exec >&-; sleep 0.1; exit 3")).rejects.toThrow("exit code 3");
  });
});
