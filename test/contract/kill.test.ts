import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { auditAll } from "../../src/guest/operation.ts";
import { repairOperations, sealOperations } from "../../src/guest/seal/index.ts";
import { settle, undoLast, undoRecords } from "../../src/image/change/undo.ts";
import { readGuest } from "../../src/image/read-guest.ts";
import { missing } from "../fakes/missing.ts";
import { host, isSound, kinds, makeDirtyImage, sha256Of } from "./dirty-image.ts";
import { killed, main } from "./killed.ts";

const lacking = missing("mke2fs", "e2fsck", "root");
const kills = Number(process.env.TBUILD_KILLS ?? 30);

describe.skipIf(lacking !== undefined)(`kill -9${lacking ? ` — skipped: ${lacking}` : ""}`, () => {
  let folder = "";
  let image = "";
  let before = "";
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "tbuild-kill-"));
    image = join(folder, "System.img");
    await makeDirtyImage(image, kinds["ext4 with metadata_csum and 64bit, as OL8"], { files: 200 });
    before = await sha256Of(image);
  });
  afterAll(() => rm(folder, { recursive: true }));

  it(
    `${kills} times over repair, seal and undo: the image is as before or as after, and both can be had`,
    async () => {
      const seen = { before: 0, after: 0, settled: 0 };
      const durations = { repair: 900, seal: 1500, undo: 600 };
      for (let round = 0; round < kills; round++) {
        const command = (["repair", "seal", "undo"] as const)[round % 3] ?? "seal";
        if (command === "undo") await tbuild(["seal", "--yes", image]);
        const started = performance.now();
        // Every other kill is exactly when the change begins or ends; the rest are at random moments.
        const at = round % 2 ? Math.random() * durations[command] : undefined;
        const ended = await killed(
          command === "undo" ? ["undo", image] : [command, "--yes", image],
          folder,
          at,
        );
        if (ended === "by itself") durations[command] = performance.now() - started;

        if ((await settle(image)) !== undefined) seen.settled++;
        const records = await undoRecords(image);
        seen[records.length === 0 ? "before" : "after"]++;
        if (records.length > 0) {
          expect(records.length).toBe(1);
          await isSound(image);
          const operations = command === "repair" ? repairOperations({}) : sealOperations();
          expect(await readGuest(host, image, ({ tree }) => auditAll(tree, operations))).toEqual([]);
          await undoLast(image);
        }
        expect(await sha256Of(image), `round ${round}, ${command}`).toBe(before);
        await rm(`${image}.tbuild-lock`, { force: true });
        expect(await readdir(folder)).toEqual(["System.img"]);
      }
      console.log(`${kills} kills: ${JSON.stringify(seen)}`);
      expect(seen.before).toBeGreaterThan(0);
      expect(seen.after).toBeGreaterThan(0);
    },
    kills * 15_000,
  );

  function tbuild(args: readonly string[]) {
    return host.run([process.execPath, main, ...args]);
  }
});
