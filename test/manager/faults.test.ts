import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import ssh2 from "ssh2";
import { afterEach, describe, expect, it } from "vitest";
import { Interrupted } from "../../src/errors.ts";
import { localHost } from "../../src/host/local.ts";
import type { ManagerApi } from "../../src/manager/api.ts";
import { openManager } from "../../src/manager/open.ts";
import { createSteadily, findOne } from "../../src/manager/repeatable-creation.ts";
import type { InjectedFault } from "../../src/manager/simulator/settings.ts";
import { startSimulator } from "../../src/manager/simulator/simulator.ts";
import { failure } from "./failure.ts";
import { openOn, openSimulator, optionsFor } from "./open.ts";

const gib = 2 ** 30;

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

async function ids(api: ManagerApi) {
  const one = async (kind: "ServerPool" | "Repository") => (await api.list(kind))[0]?.id ?? "";
  return { pool: await one("ServerPool"), repository: await one("Repository") };
}

async function makeVm(api: ManagerApi, name = "vm001"): Promise<string> {
  const where = await ids(api);
  return createSteadily({
    what: `machine ${name}`,
    name,
    list: () => api.list("Vm"),
    create: () =>
      api.createVm({ name, domainType: "XEN_HVM", memoryMib: 1024, vcpus: 1, ...where, description: "d" }),
    matches: async (id) => (await api.vm(id)).description === "d",
    remove: (id) => api.deleteVm(id),
  });
}

describe("a connection", () => {
  it("is refused with a wrong password, which is not repeated", async () => {
    const { simulator, options } = await openSimulator();
    simulator.world.settings = { ...simulator.world.settings, password: "Other" };
    const error = await failure(openOn(options));
    expect(error).toMatchObject({ fault: "environment", code: "not-trusted" });
    expect(error.message).toContain("refuses the login of admin");
    expect(`${error.hint}`).toContain("manager.password");
  });

  it("is refused when the host key has changed, before the password is sent", async () => {
    const simulator = await startSimulator();
    await using _ended = simulator;
    const changed = optionsFor(simulator, { hostKey: `SHA256:${"A".repeat(43)}` });
    const error = await failure(openOn(changed));
    expect(error.code).toBe("not-trusted");
    expect(error.message).toContain("not the trusted one");
    expect(error.lines.join()).toContain(simulator.hostKey);
  });

  it("is refused when the certificate has changed", async () => {
    const { options } = await openSimulator({}, { via: "rest" });
    const certificate = Array(32).fill("AA").join(":");
    expect((await failure(openOn({ ...options, certificate }))).code).toBe("not-trusted");
  });

  it("is refused over REST with a wrong password", async () => {
    const { simulator, options } = await openSimulator({}, { via: "rest" });
    simulator.world.settings = { ...simulator.world.settings, password: "Other" };
    expect(await failure(openOn(options))).toMatchObject({ code: "not-trusted" });
  });

  it("names the port on which nothing listens", async () => {
    const simulator = await startSimulator({ host: localHost() });
    const [ssh, rest] = [optionsFor(simulator), optionsFor(simulator, { via: "rest" })];
    await simulator[Symbol.asyncDispose]();
    for (const options of [ssh, rest]) {
      const error = await failure(openOn(options));
      expect(error.code).toBe("no-connection");
      expect(error.hint).toContain("Is the Manager running");
    }
  });

  it("names a server that speaks no ssh", async () => {
    const server = createServer((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    const simulator = await startSimulator();
    await using _ended = simulator;
    const { port } = server.address() as { port: number };
    const error = await failure(openOn({ ...optionsFor(simulator), port }));
    expect(error.fault).toBe("environment");
    server.close();
  });

  it("ends with Ctrl-C while a command runs", async () => {
    const controller = new AbortController();
    const { api } = await openSimulator({ settings: { jobMs: 60_000 } }, {}, controller.signal);
    const started = makeVm(api);
    setTimeout(() => controller.abort(), 300);
    await expect(started).rejects.toThrow(Interrupted);
  });

  it.each(["password", "keyboard-interactive"] as const)("logs in by %s", async (passwordMethod) => {
    const { api } = await openSimulator({ settings: { passwordMethod } });
    expect(await api.list("ServerPool")).toHaveLength(1);
  });

  it.each([
    ["\n", 1],
    ["\r\n", 1],
    ["\n\r", 1_000_000],
  ] as const)(
    "reads line ends %j, and %i commands on each connection",
    async (lineEnd, commandsPerConnection) => {
      const { api } = await openSimulator({ settings: { lineEnd, commandsPerConnection } });
      const id = await makeVm(api);
      expect((await api.vm(id)).name).toBe("vm001");
    },
  );

  it.each([
    { separatesCommands: true, afterFailure: "goes-on" },
    { separatesCommands: true, afterFailure: "stops" },
    { separatesCommands: false, afterFailure: "goes-on" },
  ] as const)("reads many objects at once, one of them gone, where %o", async (settings) => {
    const { api } = await openSimulator({ settings });
    const ids = await Promise.all(["a", "b;c", "d", "e"].map((name) => makeVm(api, name)));
    ids.splice(2, 0, "0004fb0000060000gone");
    const seen = await Promise.allSettled([...ids.map((id) => api.vm(id)), api.list("Server")]);
    const names = seen.map((one) => (one.status === "fulfilled" ? one.value : String(one.reason)));
    expect(names).toMatchObject([
      ...[{ name: "a" }, { name: "b;c" }],
      expect.stringContaining("refused: show Vm id=0004fb0000060000gone"),
      ...[{ name: "d" }, { name: "e" }, [{ name: "ovs1" }, { name: "ovs2" }]],
    ]);
  });

  it.each(["plain", "escape"] as const)(
    "sends slashes that are read well where they are %s",
    async (unquotedSlash) => {
      const { api, world } = await openSimulator({ settings: { unquotedSlash } });
      const id = await makeVm(api, "a/b//c");
      expect(world.objects.get(id)?.name).toBe("a/b//c");
    },
  );

  it("is opened again for a read after the Manager closed it for idleness", async () => {
    const { api } = await openSimulator({ settings: { idleMs: 50 } });
    await api.list("Vm");
    await new Promise((done) => setTimeout(done, 200));
    expect(await api.list("Vm")).toHaveLength(1);
    await new Promise((done) => setTimeout(done, 200));
    await makeVm(api);
  });
});

describe("a key", () => {
  function keyPair() {
    const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const key = privateKey.export({ type: "sec1", format: "pem" }).toString();
    const parsed = ssh2.utils.parseKey(key);
    if (parsed instanceof Error) throw parsed;
    const one = Array.isArray(parsed) ? parsed[0] : parsed;
    const folder = mkdtempSync(join(tmpdir(), "tbuild-key-"));
    folders.push(folder);
    writeFileSync(join(folder, "key"), key, { mode: 0o600 });
    return {
      file: join(folder, "key"),
      text: `${one?.type} ${one?.getPublicSSH().toString("base64")}`,
    };
  }

  it.each(["login", "session", "never"] as const)(
    "logs in, and the password is given when it is asked for: %s; again after a restart",
    async (passwordAfterKey) => {
      const { file, text } = keyPair();
      const settings = { authorizedKeys: [text], passwordAfterKey };
      const { api, simulator } = await openSimulator({ settings }, { key: file });
      expect(await api.list("ServerPool")).toHaveLength(1);
      simulator.cli.restart();
      await new Promise((done) => setTimeout(done, 50));
      expect(await api.list("ServerPool")).toHaveLength(1);
    },
  );

  it("alone is not enough where the Manager asks for the password", async () => {
    const { file, text } = keyPair();
    const simulator = await startSimulator({
      settings: { authorizedKeys: [text], passwordAfterKey: "login" },
    });
    await using _ended = simulator;
    const { password: _, ...options } = optionsFor(simulator, { key: file });
    const error = await failure(openOn(options as typeof options & { password: undefined }));
    expect(error.hint).toContain("manager.password");
  });

  it("that cannot be read is named", async () => {
    const simulator = await startSimulator();
    await using _ended = simulator;
    const error = await failure(openOn(optionsFor(simulator, { key: "/no/such/key" })));
    expect(error.message).toContain("/no/such/key: cannot be read");
  });
});

it("a missing password is named, without a useless prompt", async () => {
  const simulator = await startSimulator();
  await using _ended = simulator;
  const options = optionsFor(simulator, { password: { env: "NOT_SET" } });
  expect((await failure(openOn(options))).message).toContain("environment variable NOT_SET");
});

it("a Manager of another release is refused, unless the site says which it is like", async () => {
  const settings = { version: "4.0.1" };
  const simulator = await startSimulator({ settings });
  await using _ended = simulator;
  const error = await failure(openOn(optionsFor(simulator)));
  expect(error.message).toContain("tbuild does not know version 4.0.1");
  const api = await openOn(optionsFor(simulator, { release: "3.4" }));
  expect(await api.list("ServerPool")).toHaveLength(1);
});

const ways = [
  { via: "ssh", create: /^create Vm$/, order: /^cli create Vm/, read: /^cli list Vm/ },
  { via: "rest", create: /^create Vm$/, order: /^rest POST Vm/, read: /^rest GET Vm/ },
] as const;

describe.each(ways)("over $via", ({ via, create, order, read }) => {
  const opened = async (...faults: InjectedFault[]) => {
    const one = await openSimulator({}, { via });
    one.world.faults.push(...faults);
    return one;
  };
  const vms = (world: { all(type: string): { name: string }[] }) =>
    world.all("Vm").filter(({ name }) => name === "vm001").length;

  it("an order that fails says why, leaves nothing, and works the next time", async () => {
    const { api, world } = await opened({
      at: create,
      kind: "fails",
      times: 1,
      text: "OVMAPI_4010E Attempt to send command: create_vm to server: ovs1 failed.",
    });
    const error = await failure(makeVm(api));
    expect(error).toMatchObject({ fault: "environment", code: "failed" });
    expect(error.lines.join()).toContain("OVMAPI_4010E");
    expect(vms(world)).toBe(0);
    await makeVm(api);
    expect(vms(world)).toBe(1);
  });

  it("a half-made object of a failed order is removed and named", async () => {
    const { api, world } = await opened({ at: create, kind: "fails-half-way", times: 1 });
    const error = await failure(makeVm(api));
    expect(error.lines.join()).toMatch(/incomplete machine vm001 was removed/);
    expect(vms(world)).toBe(0);
    await makeVm(api);
    expect(vms(world)).toBe(1);
  });

  it("a half-made object that cannot be removed is named with its ID", async () => {
    const { api, world } = await opened(
      { at: create, kind: "fails-half-way", times: 1 },
      { at: /^delete Vm$/, kind: "fails", times: 1 },
    );
    const error = await failure(makeVm(api));
    expect(error.lines.join()).toContain(world.all("Vm").find(({ name }) => name === "vm001")?.id);
  });

  it("a connection lost before an order was carried out: nothing was made, and it says so", async () => {
    const { api, world } = await opened({ at: order, kind: "disconnects-before", times: 1 });
    const error = await failure(makeVm(api));
    expect(error.code).toBe("outcome-unknown");
    expect(error.lines.join()).toContain("was not made");
    expect(vms(world)).toBe(0);
  });

  it("a connection lost after an order was carried out: the result is found and used", async () => {
    const { api, world } = await opened({ at: order, kind: "disconnects-after", times: 1 });
    const id = await makeVm(api);
    expect(world.objects.get(id)?.name).toBe("vm001");
    expect(vms(world)).toBe(1);
  });

  it("a read is repeated when the connection is lost", async () => {
    const { api } = await opened({ at: read, kind: "disconnects-before", times: 2 });
    expect((await api.list("Vm")).map(({ name }) => name)).toEqual(["OVM_OL6"]);
  });

  it("an answer without the new object's id: it is found by its name", async () => {
    const { api, world } = await opened({ at: order, kind: "no-id", times: 1 });
    expect(world.objects.get(await makeVm(api))?.name).toBe("vm001");
  });

  it("a garbage answer is reported as such", async () => {
    const { api, world } = await opened({ at: order, kind: "garbage", times: 1 });
    const error = await failure(makeVm(api));
    expect(error.message).toContain("cannot be read");
    expect(vms(world)).toBe(0);
    world.faults.push({ at: read, kind: "garbage", times: 1 });
    expect((await failure(api.list("Vm"))).message).toContain("cannot be read");
  });

  it("a locked object is waited for", async () => {
    const { api, world } = await opened();
    const id = await makeVm(api);
    world.faults.push({ at: /^start Vm$/, kind: "locked", times: 1 });
    await api.start(id);
    expect(world.objects.get(id)?.is.state).toBe("RUNNING");
  });

  it("a job that never ends is given up at its deadline; over REST it is aborted", async () => {
    const { world, options } = await opened();
    const api = await openOn({ ...options, commandMinutes: 0.02 });
    const id = await makeVm(api);
    world.faults.push({ at: /^start Vm$/, kind: "never-ends", times: 1 });
    const error = await failure(api.start(id));
    expect(error.code).toBe("outcome-unknown");
    const job = [...world.jobs.values()].find(({ name }) => name === "start Vm");
    if (via === "rest") {
      expect(error.hint).toContain("was aborted");
      await job?.ended;
      expect(job?.state).toBe("ABORTED");
      await api.start(id);
    } else expect(job?.state).toBe("RUNNING");
    job?.abort();
  });

  it("a slow job is waited for", async () => {
    const { api, world } = await opened();
    world.settings = { ...world.settings, jobMs: 300 };
    const id = await makeVm(api);
    expect(world.objects.get(id)?.name).toBe("vm001");
  });

  it("a name that several objects have is refused, with their ids", async () => {
    const { api, world } = await opened();
    const twins = [1, 2].map(() => world.add("Vm", "twin", { state: "STOPPED" }).id);
    const error = await failure(findOne(api, "Vm", "twin"));
    expect(error.lines).toEqual(twins);
    expect(await findOne(api, "Vm", twins[1] ?? "")).toMatchObject({ id: twins[1] });
  });

  it("a name that no object has is refused, with those that there are", async () => {
    const { api } = await opened();
    const error = await failure(findOne(api, "Repository", "repo9"));
    expect(error.lines).toEqual(["repo1", "repo2"]);
  });

  it("a full repository is reported", async () => {
    const { api, world } = await opened();
    const repository = world.all("Repository")[0];
    if (repository) repository.is.freeBytes = gib;
    const disk = { name: "d", bytes: 2 * gib, isShareable: false, isSparse: false };
    const error = await failure(api.createDisk({ ...disk, repository: repository?.id ?? "" }));
    expect(error.lines.join()).toContain("Not enough space in repository repo1");
  });

  it("a pool without a running server is reported", async () => {
    const { api, world } = await opened();
    for (const server of world.all("Server")) server.is.isUp = false;
    const error = await failure(api.start(await makeVm(api)));
    expect(error.lines.join()).toContain("No server of the pool is running");
  });

  it.each(["refused", "lost"] as const)(
    "a message before the guest's additions run is %s, and never says more than the Manager does",
    async (messageBeforeGuest) => {
      const { api, world } = await opened();
      world.settings = { ...world.settings, messageBeforeGuest, guestDelayMs: 60_000 };
      const id = await makeVm(api);
      await api.start(id);
      const sent = api.sendMessages(id, [{ key: "k", value: "v", isSecret: false }]);
      if (messageBeforeGuest === "refused") await expect(sent).rejects.toMatchObject({ code: "failed" });
      else await sent;
      expect(world.sent.get(id)).toBeUndefined();
    },
  );

  it("no secret is logged, or told in a failure that repeats it", async () => {
    const { api, world, commands } = await opened();
    const id = await makeVm(api);
    const secret = 'S3cr/et "x" y';
    world.faults.push({
      at: /^sendVmMessage$/,
      kind: "fails",
      times: 1,
      text: `OVMAPI_9999E sendVmMessage failed: message=${secret} or "S3cr//et /"x/" y"`,
    });
    const error = await failure(
      api.sendMessages(id, [{ key: "com.oracle.linux.root-password", value: secret, isSecret: true }]),
    );
    const told = [error.message, ...error.lines, error.hint, ...commands].join("\n");
    expect(told).not.toContain("S3cr");
    expect(told).not.toContain("Welcome1");
  });
});

it("a line end in a value is refused by the CLI, and taken over REST", async () => {
  const ssh = await openSimulator();
  const id = await makeVm(ssh.api);
  const before = ssh.world.inventory();
  const error = await failure(ssh.api.editVm(id, { description: "a\ndelete Vm name=vm001" }));
  expect(error).toMatchObject({ fault: "usage" });
  expect(ssh.world.inventory()).toEqual(before);
  const rest = await openSimulator({}, { via: "rest" });
  const other = await makeVm(rest.api);
  await rest.api.editVm(other, { description: "a\nb" });
  expect(rest.world.objects.get(other)?.description).toBe("a\nb");
});

it("a template that the CLI shows as stopped is not called a machine", async () => {
  const { api } = await openSimulator({ settings: { templateStatus: "Stopped" } });
  const [template] = await api.list("Vm");
  expect((await api.vm(template?.id ?? "")).isTemplate).toBeUndefined();
});

it("openManager closes its connection if it does not understand the Manager", async () => {
  const { simulator, options } = await openSimulator();
  simulator.world.faults.push({ at: /^cli showversion/, kind: "garbage", times: 9 });
  const context = { environment: () => "Welcome1", folder: ".", memory: "/nonexistent" };
  const opening = openManager(options, { ...context, askSecret: async () => "" });
  expect((await failure(opening)).message).toContain("cannot be read");
});
