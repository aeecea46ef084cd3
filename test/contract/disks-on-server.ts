import { copyFile, rm, truncate, writeFile } from "node:fs/promises";
import type { Backing } from "../../src/manager/simulator/backing/backing.ts";
import type { ManagerObject } from "../../src/manager/simulator/manager-object.ts";
import type { Dom0 } from "../dom0.ts";
import { filesOf } from "../guest/convert-guests.ts";
import { type GuestFiles, ol6Guest } from "../guest-image.ts";

/** A guest that can be converted, too. */
export const convertible: GuestFiles = {
  ...ol6Guest,
  files: {
    ...Object.fromEntries(
      Object.entries(filesOf(6)).map(([path, data]) => [path, typeof data === "string" ? data : { data }]),
    ),
    ...ol6Guest.files,
  },
};

/** The disks of a simulated Manager, as files that nothing runs from. */
export function filesAt(fileOf: (disk: ManagerObject) => string): Backing {
  const none = () => Promise.reject(new Error("not in this test"));
  return {
    async makeDisk(disk) {
      await writeFile(fileOf(disk), "");
      await truncate(fileOf(disk), Number(disk.is.bytes));
    },
    copyDisk: (from, to) => copyFile(fileOf(from), fileOf(to)),
    removeDisk: (disk) => rm(fileOf(disk), { force: true }),
    ...{ fetchTemplate: none, fetchDisc: none, start: none, shutDown: none, cutPower: none, send: none },
    isHeard: () => false,
    received: () => [],
    [Symbol.asyncDispose]: async () => {},
  };
}

/** What is still attached, mapped or mounted there. */
export async function traces(dom0: Dom0): Promise<string> {
  return (await dom0.run("losetup -a; dmsetup ls | grep -v '^No '; grep tbuild-mount /proc/mounts; :"))
    .stdout;
}
