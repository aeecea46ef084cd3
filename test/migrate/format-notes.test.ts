import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { formatNotes } from "../../src/migrate/format-notes.ts";
import { readDisk } from "../../src/vm-cfg/devices.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tbuild-format-"));
  await writeFile(join(folder, "q.img"), Buffer.from("QFI\xfb and more", "latin1"));
  await writeFile(join(folder, "r.img"), "raw");
  await writeFile(join(folder, "e.img"), "");
});
afterAll(() => rm(folder, { recursive: true, force: true }));

it.each([
  ["file:q.img,xvda,w", "q.img", true],
  ["tap:aio:q.img,xvda,w", "q.img", true],
  ["format=raw, vdev=xvda, access=w, target=q.img", "q.img", true],
  ["format=qcow2, vdev=xvda, access=w, target=q.img", "q.img", false],
  ["tap:qcow2:q.img,xvda,w", "q.img", false],
  ["file:r.img,xvda,w", "r.img", false],
  ["file:e.img,xvda,w", "e.img", false],
  ["file:gone.img,xvda,w", "gone.img", false],
])("%s: a qcow2 image that is attached as raw is named", async (text, name, named) => {
  const notes = await formatNotes([{ entry: readDisk(text), file: join(folder, name) }]);
  expect(notes.length === 1).toBe(named);
  if (named) expect(notes[0]).toContain("attaches q.img as raw, but it is a qcow2 image");
});
