import { expect, it } from "vitest";
import { localHost } from "../../src/host/local.ts";
import { farHost } from "../../src/host/ssh.ts";
import { describeWith } from "../fakes/missing.ts";

describeWith(["ssh"], "a machine as the user's ssh reaches it", () => {
  it.each([
    [1, 10, 6],
    [10, 100, 60],
    [1.5, 15, 9],
  ])("may be silent %s times as long as usual", async (patience, connect, alive) => {
    const { sshOptions } = farHost("server", "/dev/null", patience);
    const { stdout } = await localHost().run(["ssh", ...sshOptions, "-G", "--", "server"]);
    const effective = Object.fromEntries(stdout.split("\n").map((line) => line.split(" ", 2)));
    expect(effective).toMatchObject({
      connecttimeout: `${connect}`,
      serveraliveinterval: "10",
      serveralivecountmax: `${alive}`,
    });
  });
});
