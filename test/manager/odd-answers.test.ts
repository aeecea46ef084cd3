import { EventEmitter } from "node:events";
import type { Client } from "ssh2";
import { describe, expect, it } from "vitest";
import type { ManagerApi } from "../../src/manager/api.ts";
import { exec } from "../../src/manager/cli/ssh/exec.ts";
import { createSteadily } from "../../src/manager/repeatable-creation.ts";
import type { InjectedFault } from "../../src/manager/simulator/settings.ts";
import { failure } from "./failure.ts";
import { openSimulator } from "./open.ts";

async function opened(...faults: InjectedFault[]) {
  const one = await openSimulator();
  one.world.faults.push(...faults);
  const count = () => one.world.all("Vm").filter(({ name }) => name === "vm001").length;
  return { ...one, count };
}

async function makeVm(api: ManagerApi): Promise<string> {
  const first = async (kind: "ServerPool" | "Repository") => (await api.list(kind))[0]?.id ?? "";
  const [pool, repository] = [await first("ServerPool"), await first("Repository")];
  const wanted = {
    name: "vm001",
    domainType: "XEN_HVM",
    memoryMib: 1024,
    vcpus: 1,
    description: "d",
  } as const;
  return createSteadily({
    what: "machine vm001",
    name: "vm001",
    list: () => api.list("Vm"),
    create: () => api.createVm({ ...wanted, pool, repository }),
    matches: async (id) => (await api.vm(id)).description === "d",
    remove: (id) => api.deleteVm(id),
  });
}

const create = /^cli create Vm/;
const list = /^cli list Vm/;
const java = "Picked up JAVA_TOOL_OPTIONS: -Xmx1g\n";
const head = (status: string) => `Command: create Vm\nStatus: ${status}\nTime: t\nJobId: 7\n`;

describe("an answer of the CLI", () => {
  it.each(["breaks-off", "ends-early"] as const)("with a list that %s is asked for again", async (kind) => {
    const { api } = await opened({ at: list, kind, times: 2 });
    expect((await api.list("Vm")).map(({ name }) => name)).toEqual(["OVM_OL6"]);
  });

  it.each(["breaks-off", "ends-early"] as const)(
    "with a list that always %s is never taken for whole",
    async (kind) => {
      const { api, count } = await opened({ at: list, kind, times: 1000 });
      const error = await failure(makeVm(api));
      expect(error.message).toMatch(/breaks off|closed the connection/);
      expect(count()).toBe(0);
    },
  );

  it.each(["breaks-off", "ends-early"] as const)(
    "to an order that %s: what was made is found and used",
    async (kind) => {
      const { api, world, count } = await opened({ at: create, kind, times: 1 });
      expect(world.objects.get(await makeVm(api))?.name).toBe("vm001");
      expect(count()).toBe(1);
    },
  );

  it("keeps its rows apart from what Java says on the standard error", async () => {
    const { api, world } = await opened();
    const id = await makeVm(api);
    world.faults.push(
      { at: list, kind: "warns", text: java, times: 1 },
      { at: /^cli show Vm/, kind: "warns", text: java, times: 1 },
    );
    expect((await api.list("Vm")).map(({ name }) => name)).toEqual(["OVM_OL6", "vm001"]);
    expect(await api.vm(id)).toMatchObject({ name: "vm001", description: "d", memoryMib: 1024 });
  });

  it.each([
    ["nothing", "", []],
    ["the words of a proxy", "<html>502 Bad Gateway</html>\n", ["<html>502 Bad Gateway</html>"]],
    [
      "a stack trace",
      "java.lang.NullPointerException\n\tat com.oracle.ovm.Cli.run\n",
      ["java.lang.NullPointerException"],
    ],
    ["another status", head("Pending"), ["Status: Pending"]],
    ["no status", "Command: create Vm\nTime: t\n", ["Command: create Vm"]],
    ["a shell's prompt", "-bash: create: command not found\n$ ", ["-bash: create: command not found"]],
  ])("to an order that is %s is shown, and what was made is said", async (_, text, words) => {
    const { api, count } = await opened({ at: create, kind: "garbage", text, times: 1 });
    const error = await failure(makeVm(api));
    expect(error.code).toBe("outcome-unknown");
    expect(error.message).toContain("its answer cannot be read: create Vm");
    expect(error.lines).toEqual(expect.arrayContaining([...words, "The machine vm001 was not made."]));
    await makeVm(api);
    expect(count()).toBe(1);
  });

  it.each([
    [
      "a state that does not allow it",
      "Error Msg: OVMRU_005002E Operation not allowed- Virtual Machine: vm1, is not STOPPED. It is RUNNING. [Sun Jun 03 15:24:03 GST 2018]\n",
      "OVMRU_005002E Operation not allowed- Virtual Machine: vm1, is not STOPPED. It is RUNNING. [Sun Jun 03 15:24:03 GST 2018]",
    ],
    [
      "a server's command that failed",
      "Error Msg: OVMAPI_4010E Attempt to send command: create_vm to server: lab01 failed.\nCommand: create_vm, Server error: org.apache.xmlrpc.XmlRpcException\nInvalid hostname resolution: lab01 -> 127.0.0.1\n",
      "Invalid hostname resolution: lab01 -> 127.0.0.1",
    ],
    ["no reason", "", "It gave no reason."],
    [
      "a warning before it",
      `${java}Error Msg: OVMRU_002015E: Cannot create\n`,
      "OVMRU_002015E: Cannot create",
    ],
  ])("to an order that failed for %s says so", async (_, reason, words) => {
    const { api, count } = await opened({
      at: create,
      kind: "garbage",
      text: head("Failure") + reason,
      times: 1,
    });
    const error = await failure(makeVm(api));
    expect(error.code).toBe("failed");
    expect(error.lines).toContain(words);
    await makeVm(api);
    expect(count()).toBe(1);
  });

  it("to an order on an object that is locked is waited for, by the words of a server", async () => {
    const text = `${head("Failure")}Error Msg: OVMRU_000102E Cannot start: the virtual machine is locked by job 7.\n`;
    const { api, world } = await opened();
    const id = await makeVm(api);
    world.faults.push({ at: /^cli start Vm/, kind: "garbage", text, times: 1 });
    await api.start(id);
    expect(world.objects.get(id)?.is.state).toBe("RUNNING");
  });
});

describe("the password", () => {
  /** What is typed into a session that prints these pieces. */
  async function typed(...pieces: string[]): Promise<string[]> {
    const written: string[] = [];
    const channel = Object.assign(new EventEmitter(), {
      stderr: new EventEmitter(),
      write: (text: string) => written.push(text),
    });
    const client = Object.assign(new EventEmitter(), {
      exec: (_: string, done: (error: undefined, channel: EventEmitter) => void) => done(undefined, channel),
    });
    const answer = exec(client as unknown as Client, "it", "list Vm", { deadlineMs: 1000 }, "hush");
    for (const piece of pieces) channel.emit("data", Buffer.from(piece));
    channel.emit("close");
    expect(await answer).toBe(pieces.join(""));
    return written;
  }

  it.each([["Password: "], ["Welcome.\r\n", "Pass", "word:"], ["OVM> ", "\nadmin's password: "]])(
    "is given where it is asked for: %j",
    async (...pieces) => {
      expect(await typed(...pieces)).toEqual(["hush\n"]);
    },
  );

  it.each([
    ["OVM> list Vm\nCommand: list Vm\nStatus: Success\nData: \n  id:1  name:the password:", " x\nOVM> "],
    ["  Description = password: "],
    ["OVM> list Vm\nCommand: list Vm\nerror in password: "],
  ])("is not given to what only ends like it: %j", async (...pieces) => {
    expect(await typed(...pieces)).toEqual([]);
  });
});
