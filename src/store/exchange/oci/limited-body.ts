import { TbuildError } from "../../../errors.ts";
import type { Answer } from "../../../io/http.ts";

/** The body of an answer that must not exceed `most` bytes. */
export async function limitedText(from: string, answer: Answer, most: number): Promise<string> {
  return Buffer.from(await limited(from, answer, most)).toString("utf8");
}

export async function limited(from: string, answer: Answer, most: number): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  let bytes = 0;
  for await (const piece of answer.body) {
    bytes += piece.length;
    if (bytes > most)
      throw new TbuildError("integrity", `the answer exceeds ${most} bytes`, { subject: from });
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}
