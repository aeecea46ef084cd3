import { describe, expect, it } from "vitest";
import { atMost } from "../../src/io/parallel.ts";
import type { Block } from "../../src/manager/cli/answer.ts";
import { type Command, command } from "../../src/manager/cli/command.ts";
import { joinedReads } from "../../src/manager/cli/joined-reads.ts";

const show = (id: number | string) => command(`show Vm id=${id}`);
const blockOf = ({ text }: Command, status: Block["status"] = "success"): Block => ({
  command: text,
  status,
  time: "",
  data: [`Id = ${text.slice("show Vm id=".length)}`],
  error: "",
});

function reads(answer: (commands: readonly Command[]) => readonly Block[]) {
  const calls: number[] = [];
  const read = joinedReads({
    inTurn: atMost(1),
    call: async (commands) => {
      calls.push(commands.length);
      return answer(commands);
    },
    unreadable: ({ text }) => new Error(`unreadable: ${text}`),
  });
  return { calls, read };
}

const many = Array.from({ length: 120 }, (_, id) => show(id));

describe("reads of the CLI", () => {
  it("are sent together while they wait, and one call is not too long", async () => {
    const { calls, read } = reads((commands) => commands.map((one) => blockOf(one)));
    const blocks = await Promise.all(many.map(read));
    expect(blocks.map((one) => one.command)).toEqual(many.map(({ text }) => text));
    expect(calls).toEqual([50, 50, 20]);
    await Promise.all([read(show("a".repeat(3000))), read(show("b".repeat(3000)))]);
    await read(show(1));
    expect(calls.slice(3)).toEqual([1, 1, 1]);
  });

  it("continue after a failure that ends a call", async () => {
    const { calls, read } = reads((commands) => {
      const at = commands.findIndex(({ text }) => text === "show Vm id=7");
      return commands
        .slice(0, at < 0 ? undefined : at + 1)
        .map((one, index) => blockOf(one, index === at ? "failure" : "success"));
    });
    const blocks = await Promise.all(many.map(read));
    expect(blocks.map((one) => one.command)).toEqual(many.map(({ text }) => text));
    expect(blocks.flatMap((one, at) => (one.status === "failure" ? [at] : []))).toEqual([7]);
    expect(calls).toEqual([50, 50, 50, 12]);
  });

  it("are single calls once the commands of a call were not separated", async () => {
    const { calls, read } = reads((commands) =>
      commands.length === 1
        ? commands.map((one) => blockOf(one))
        : [blockOf(command(commands.map(({ text }) => text).join("; ")), "failure")],
    );
    const blocks = await Promise.all(many.slice(0, 4).map(read));
    expect(blocks.map((one) => one.status)).toEqual(Array(4).fill("success"));
    await Promise.all(many.slice(0, 2).map(read));
    expect(calls).toEqual([4, 1, 1, 1, 1, 1, 1]);
  });

  it("that are answered by no block fail, each on its own", async () => {
    const { read } = reads((commands) =>
      commands.flatMap((one) => (one.text === "show Vm id=1" ? [] : [blockOf(one)])),
    );
    const ends = await Promise.allSettled(many.slice(0, 3).map(read));
    expect(ends.map((one) => (one.status === "rejected" ? String(one.reason) : one.value.command))).toEqual([
      ...["show Vm id=0", "Error: unreadable: show Vm id=1", "show Vm id=2"],
    ]);
  });
});
