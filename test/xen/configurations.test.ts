import { readdir, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { imported } from "../vm-cfg/imported.ts";
import { startXenHost, type XenHost } from "./xen-host.ts";

const samples = resolve(import.meta.dirname, "../vm-cfg/samples/odd");

describe("what an imported vm.cfg is written out as for xl", () => {
  let xenHost: XenHost;
  beforeAll(async () => {
    xenHost = await startXenHost();
  });
  afterAll(() => xenHost?.[Symbol.asyncDispose]());

  it("is taken by xl on a Xen host", async () => {
    const names = (await readdir(samples)).filter((name) => /^(?!refused-).*\.cfg$/.test(name));
    for (const name of names)
      await xenHost.host.writeFile(
        `/root/configurations/${name}`,
        imported(await readFile(join(samples, name))).xl,
      );
    const { stdout } = await xenHost.run(`cd /root/configurations || exit
for file in *; do xl create -n "$file" >said 2>&1 && echo "taken $file" || { echo "refused $file"; cat said; }; done`);
    expect(stdout.split("\n").filter((line) => line.startsWith("taken"))).toHaveLength(names.length);
    expect(stdout).not.toContain("refused");
    // It would be refused if it were wrong.
    await xenHost.host.writeFile("/root/wrong.cfg", Buffer.from("name = 'a'\nOVM_x = 'b'\n"));
    await expect(xenHost.run("xl create -n /root/wrong.cfg")).rejects.toThrow();
  });
});
