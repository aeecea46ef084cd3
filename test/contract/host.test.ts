import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll } from "vitest";
import { localHost } from "../../src/host/local.ts";
import { farHost, sshHost } from "../../src/host/ssh.ts";
import { type UmlMachine, umlMachine } from "../../src/image/ways/uml-machine.ts";
import { missing } from "../fakes/missing.ts";
import { throughShell } from "../fakes/through-shell.ts";
import { hostContract, runnerContract } from "./host-contract.ts";

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "tbuild-host-"));
});
afterAll(() => rm(folder, { recursive: true }));

const sshNeeds = missing("ssh", "ssh-keygen", "/usr/sbin/sshd", "root");

hostContract("this machine", { make: async () => localHost() }, () => join(folder, "local"));

hostContract(
  "a guest over ssh",
  {
    lacking: sshNeeds,
    make: async () => {
      const { key, server } = await sshFiles();
      return sshHost({ host: "guest", port: 22, user: "root", login: { key }, through: server });
    },
  },
  () => join(folder, "guest"),
);

hostContract(
  "a server as the user's ssh reaches it",
  {
    lacking: sshNeeds,
    make: async () => {
      const { key, server, own } = await sshFiles();
      const lines = ["Host server", "User root", `IdentityFile ${key}`, `ProxyCommand ${server.join(" ")}`];
      const trust = ["StrictHostKeyChecking accept-new", `UserKnownHostsFile ${own}/known`, "LogLevel ERROR"];
      await writeFile(join(own, "config"), [...lines, ...trust, ""].join("\n"));
      return farHost("server", join(own, "config"));
    },
  },
  () => join(folder, "server"),
);

hostContract("the fake of a shell in between", { make: async () => throughShell() }, () =>
  join(folder, "shell"),
);

runnerContract("User-mode Linux", {
  lacking: missing("linux.uml"),
  make: async () => {
    const disk = join(folder, "disk.img");
    await writeFile(disk, Buffer.alloc(1 << 20));
    return umlMachine(disk, { readOnly: true });
  },
  after: (machine) => (machine as UmlMachine).end(),
});

/** A real sshd, started for each connection as inetd would, and the key that opens it. */
async function sshFiles() {
  const own = await mkdtemp(join(folder, "ssh-"));
  await mkdir("/run/sshd", { recursive: true });
  const [key, hostKey] = [join(own, "key"), join(own, "host-key")];
  for (const file of [key, hostKey])
    await localHost().run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", file]);
  const config = join(own, "sshd_config");
  const login = ["PermitRootLogin yes", "StrictModes no", "UsePAM no", "LogLevel QUIET"];
  await writeFile(
    config,
    [`HostKey ${hostKey}`, `AuthorizedKeysFile ${key}.pub`, ...login, "PidFile none", ""].join("\n"),
  );
  return { own, key, server: ["/usr/sbin/sshd", "-i", "-f", config] };
}
