import { describe, expect, it } from "vitest";
import { listed, properties, readAnswers, readXmlAnswer, referenceIn } from "../../src/manager/cli/answer.ts";

describe("answers of the CLI", () => {
  // From the log of a backup script on OVM 3.4 (pastebin 59AiZbNn).
  const created = `OVM> create VmCloneCustomizer name=vDisks-vm1-20200226 on Vm name=vm1
Command: create VmCloneCustomizer name=vDisks-vm1-20200226 on Vm name=vm1
Status: Success
Time: 2020-02-26 08:58:47,940 EST
JobId: 1582725527174
Data:
  id:0004fb0000130000e0bb903e83c3fb23  name:vDisks-vm1-20200226
OVM> Connection closed.
`;

  it.each([
    ["\n", "line feeds"],
    ["\r\n", "carriage return and line feed"],
    ["\n\r", "line feed and carriage return, as in a terminal"],
  ])("reads a real transcript with %j as line ends (%s)", (end) => {
    const [block, ...more] = readAnswers(created.replaceAll("\n", end));
    expect(more).toEqual([]);
    expect(block).toMatchObject({ status: "success", jobId: "1582725527174", error: "" });
    expect(block?.time).toBe("2020-02-26 08:58:47,940 EST");
    expect(listed(block ?? { data: [] })).toEqual([
      { id: "0004fb0000130000e0bb903e83c3fb23", name: "vDisks-vm1-20200226" },
    ]);
  });

  // From the README of Oracle's "MoveVm", on OVM 3.3.
  it("reads a real transcript without data", () => {
    const text = `OVM> set OutputMode=Verbose
Command: set OutputMode=Verbose
Status: Success
Time: 2016-05-12 20:21:52,640 CEST
OVM> exit
Connection to ovmm33.it.oracle.com closed.
`;
    expect(readAnswers(text)).toEqual([
      {
        command: "set OutputMode=Verbose",
        status: "success",
        time: "2016-05-12 20:21:52,640 CEST",
        data: [],
        error: "",
      },
    ]);
  });

  it("separates the blocks of several commands", () => {
    const one = (id: string) =>
      `OVM> show Vm id=${id}\nCommand: show Vm id=${id}\nStatus: Success\nTime: 2020-02-26 08:58:47,940 EST\nData: \n  Name = a;b [c] @d = e\n  Status = Running\n`;
    const blocks = readAnswers(`${one("1")}${one("2")}OVM> Connection closed.`);
    expect(blocks.map(({ command }) => command)).toEqual(["show Vm id=1", "show Vm id=2"]);
    expect(properties(blocks[0] ?? { data: [] })).toEqual([
      { key: "Name", value: "a;b [c] @d = e" },
      { key: "Status", value: "Running" },
    ]);
  });

  it("does not take the state of an object for the result of the command", () => {
    const [block] = readAnswers(
      "OVM> show Vm id=1\nCommand: show Vm id=1\nStatus: Success\nTime: x\nData: \n  Status = Failure\n  Status: Failure\nOVM> ",
    );
    expect(block?.status).toBe("success");
  });

  it("keeps every line of a failure", () => {
    const [block] = readAnswers(
      "Command: start Vm id=1\nStatus: Failure\nTime: x\nJobId: 7\nError Msg: OVMAPI_4010E Attempt to send command: start to server: lab01 failed.\nOVMAPI_4004E Sync command failed\nOVM> ",
    );
    expect(block).toMatchObject({ status: "failure", jobId: "7" });
    expect(block?.error.split("\n")).toHaveLength(2);
  });

  it.each(["", "garbage", "OVM> ", "Command: x", "Command: x\nStatus:", "Command: x\nStatus: Perhaps\n"])(
    "says of %j that it has no status",
    (text) => {
      expect(readAnswers(text).filter(({ status }) => status !== "unknown")).toEqual([]);
    },
  );

  it("splits a row at its first name, so that names may hold colons", () => {
    expect(listed({ data: ["id:1  name:00:21:f6:aa:bb:cc", "id:2  name:a  name:b", "id:3  name:"] })).toEqual(
      [
        { id: "1", name: "00:21:f6:aa:bb:cc" },
        { id: "2", name: "a  name:b" },
        { id: "3", name: "" },
      ],
    );
  });

  it("reads references, with brackets in names", () => {
    expect(referenceIn("0004fb  [eth0 on ovs1 [old]]")).toEqual({ id: "0004fb", name: "eth0 on ovs1 [old]" });
    expect(referenceIn("0004fb")).toEqual({ id: "0004fb", name: "" });
  });

  it("reads output mode Xml, after whatever comes before it", () => {
    const answer = readXmlAnswer(
      'OVM> show\n<?xml version="1.0"?><ShowCommandResult><Property><PropertyName>Name</PropertyName><PropertyValue>a &amp; b</PropertyValue></Property></ShowCommandResult>OVM> ',
    );
    expect(properties(answer ?? { data: [] })).toEqual([{ key: "Name", value: "a & b" }]);
    expect(readXmlAnswer("Status: Failure")).toBeUndefined();
  });
});
