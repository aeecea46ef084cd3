import { describe, expect, it } from "vitest";
import {
  breaksOff,
  listed,
  properties,
  readAnswers,
  readXmlAnswer,
  referenceIn,
} from "../../src/manager/cli/answer.ts";
import { mappingSeen, vmSeen } from "../../src/manager/cli/seen.ts";

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
    "reports that %j has no status",
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

  it("takes an answer with two statuses that contradict each other for unknown", () => {
    const [block] = readAnswers(
      "Command: start Vm id=1\nStatus: Success\nTime: t\nStatus: Failure\nError Msg: late\n",
    );
    expect(block).toMatchObject({ status: "unknown", error: "Status: Failure\nlate" });
  });

  it.each([
    ["2048", 2048],
    ["2,048", 2048],
    ["2048 MB", 2048],
    ["1,000.5", 1000.5],
    ["20,48", undefined],
    ["1.2.3", undefined],
    ["-1", undefined],
    ["many", undefined],
  ])("reads the number %j whole, or not at all", (value, memoryMib) => {
    const rows = [{ key: "Memory (MB)", value }];
    expect(vmSeen({ id: "1", name: "" }, rows).memoryMib).toBe(memoryMib);
  });

  it("reads null as nothing, and a domain type with a comma", () => {
    const rows = [
      { key: "Repository", value: "null" },
      { key: "Domain Type", value: "Xen HVM, PV Drivers" },
    ];
    const seen = vmSeen({ id: "1", name: "" }, rows);
    expect(seen.repository).toBeUndefined();
    expect(seen.domainType).toBe("XEN_HVM_PV_DRIVERS");
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

  // The lines of the failure are from a server's log (OVM 3.3, a pool whose server could not be found by its name).
  it("keeps the lines of a failure that look like the head of another answer", () => {
    const text = `OVM> create ServerPool name=pool2
Command: create ServerPool name=pool2
Status: Failure
Time: 2016-07-20 16:30:40,120 CEST
JobId: 1469025040001
Error Msg: OVMAPI_4010E Attempt to send command: create_server_pool to server: lab01 failed.
OVMAPI_4004E Sync command failed on server: 192.0.2.32.
Command: create_server_pool, Server error: org.apache.xmlrpc.XmlRpcException: <type 'exceptions.Exception'>:
Status: 1
Data: none
Invalid hostname resolution: lab01 -> 127.0.0.1 [Wed Jul 20 16:30:40 CEST 2016]
OVM> Connection closed.
`;
    for (const said of [text, text.replace(/^OVM> .*\n/gm, "")]) {
      const [block, ...more] = readAnswers(said);
      expect(more).toEqual([]);
      expect(block).toMatchObject({ status: "failure", command: "create ServerPool name=pool2", data: [] });
      expect(block?.error.split("\n")).toEqual([
        "OVMAPI_4010E Attempt to send command: create_server_pool to server: lab01 failed.",
        "OVMAPI_4004E Sync command failed on server: 192.0.2.32.",
        "Command: create_server_pool, Server error: org.apache.xmlrpc.XmlRpcException: <type 'exceptions.Exception'>:",
        "Status: 1",
        "Data: none",
        "Invalid hostname resolution: lab01 -> 127.0.0.1 [Wed Jul 20 16:30:40 CEST 2016]",
      ]);
    }
  });

  it("reads an error that comes before the status", () => {
    const [block] = readAnswers(
      "Command: edit Vm id=1 memory=1\nError Msg: OVMRU_005002E Operation not allowed- Virtual Machine: vm1, is not STOPPED. It is RUNNING. [Sun Jun 03 15:24:03 GST 2018]\nStatus: Failure\nTime: x\n",
    );
    expect(block).toMatchObject({ status: "failure", time: "x" });
    expect(block?.error).toMatch(/^OVMRU_005002E .*2018]$/);
  });

  const head = (command: string) => `Command: ${command}\nStatus: Success\nTime: t\nData: \n`;
  it.each([
    [
      "a banner of Java's before everything",
      `Picked up _JAVA_OPTIONS: -Xmx512m\nOVM> list Vm\n${head("list Vm")}  id:1  name:a\nOVM> `,
    ],
    [
      "a warning between the echo and the answer",
      `OVM> list Vm\nWARNING: the certificate expires soon\n${head("list Vm")}  id:1  name:a\nOVM> `,
    ],
    [
      "warnings before the status, and after it",
      "OVM> list Vm\nCommand: list Vm\nWarning: slow\nStatus: Success\nWarning: Data may be old\nTime: t\nData: \n  id:1  name:a\n",
    ],
    [
      "a banner in the middle of the rows",
      `${head("list Vm")}  id:1  name:a\nPicked up JAVA_TOOL_OPTIONS: -Xmx1g\nOVM> `,
    ],
    ["the prompt twice", `OVM> OVM> list Vm\n${head("list Vm")}  id:1  name:a\nOVM> OVM> `],
    ["the prompt in the echo", `OVM> list Vm\n${head("OVM> list Vm")}  id:1  name:a\nOVM>`],
    ["the prompt and the echo in one line", `OVM> ${head("list Vm")}  id:1  name:a\nOVM> exit\n`],
    ["no prompt", `${head("list Vm")}  id:1  name:a\n`],
    [
      "the ssh client's last words without a prompt",
      `${head("list Vm")}  id:1  name:a\nConnection to ovmm33 closed.\n`,
    ],
    [
      "all kinds of line ends",
      "OVM> list Vm\r\nCommand: list Vm\n\rStatus: Success\rTime: t\nData: \r\r\n  id:1  name:a\n\r\r\nOVM> ",
    ],
    [
      "a terminal's colours and title",
      `\u001b]0;OVM CLI\u0007\u001b[1mOVM> \u001b[0mlist Vm\n${head("list Vm")}  id:1  name:\u001b[32ma\u001b[0m\nOVM> `,
    ],
    ["tabs instead of blanks", `${head("list Vm")}\tid:1\tname:a\n`],
    ["rows without indentation", `${head("list Vm")}id:1  name:a\n`],
    ["a byte order mark", `\ufeff${head("list Vm")}  id:1  name:a\n`],
  ])("reads a list with %s", (_, text) => {
    const blocks = readAnswers(text);
    expect(blocks.map(({ command, status, time }) => ({ command, status, time }))).toEqual([
      { command: "list Vm", status: "success", time: "t" },
    ]);
    expect(listed(blocks[0] ?? { data: [] })).toEqual([{ id: "1", name: "a" }]);
  });

  it.each([
    ["OVM> list Vm\n", true],
    ["OVM> list Vm\nCommand: list Vm\nStatus: Success\nTime: t\nData: \n  id:1  na", true],
    [`OVM> list Vm\n${head("list Vm")}  id:1  name:a\n`, true],
    [`OVM> list Vm\n${head("list Vm")}  id:1  name:a\nOVM> `, false],
    [`OVM> list Vm\n${head("list Vm")}OVM> Connection closed.\n`, false],
    [`OVM> list Vm\n${head("list Vm")}  id:1  name:a\nConnection to ovmm closed.\n\n`, false],
    [`${head("list Vm")}  id:1  name:a\n`, false],
    ["", false],
  ])("knows whether %j breaks off", (text, is) => {
    expect(breaksOff(text)).toBe(is);
  });

  it.each(["Data: \n", "Data:\n", "Data: \n  \n", "", "\n\n"])(
    "reads a list that ends with %j as empty",
    (end) => {
      const [block] = readAnswers(`OVM> list Vm\nCommand: list Vm\nStatus: Success\nTime: t\n${end}OVM> `);
      expect(block).toMatchObject({ status: "success", data: [] });
    },
  );

  it.each([
    "Prüfstand – 東京 🐘",
    "a:b  name:c",
    "[x] [y]",
    "OVM> rm",
    "Status: Failure",
    "Command: list Vm",
    "a = b",
    "\u00a0a\u00a0",
    "a\u2028b\u0085c",
    "id:2  name:x",
  ])("reads the name %j in a list, an object and a reference", (name) => {
    const text = `OVM> list Vm\n${head("list Vm")}  id:1  name:${name}\nOVM> show Vm id=1\n${head("show Vm id=1")}  Name = ${name}\n  Vnic 1 = 7  [${name}]\nOVM> `;
    const [list, one] = readAnswers(text);
    expect(listed(list ?? { data: [] })).toEqual([{ id: "1", name }]);
    const rows = properties(one ?? { data: [] });
    expect(rows.map(({ value }) => value)).toEqual([name, `7  [${name}]`]);
    expect(vmSeen({ id: "1", name: "" }, rows)).toMatchObject({ name, vnics: [{ id: "7", name }] });
  });

  it("reads a description of several lines, and no more of other values than their first line", () => {
    const text = `OVM> show Vm id=1\n${head("show Vm id=1")}  Description = for accounting\nCommand: none\nOwner = Zoë\n  Status = Running\nPicked up JAVA_TOOL_OPTIONS: -Xmx1g\n  Name = db1\nOVM> `;
    const blocks = readAnswers(text);
    expect(blocks).toHaveLength(1);
    expect(vmSeen({ id: "1", name: "" }, properties(blocks[0] ?? { data: [] }))).toMatchObject({
      name: "db1",
      state: "running",
      description: "for accounting\nCommand: none\nOwner = Zoë",
    });
  });

  // As a script that lists disks on OVM 3.2 and 3.3 has it in its comments (github.com/Tagar/ovm).
  it("reads mappings without names, and a physical disk under the key of a virtual one", () => {
    const vm = vmSeen({ id: "1", name: "vm1" }, [
      { key: "VmDiskMapping 1", value: "0004fb0000130000a82385bb78d8c5b4" },
    ]);
    expect(vm.mappings).toEqual([{ id: "0004fb0000130000a82385bb78d8c5b4", name: "" }]);
    const device = (value: string) =>
      mappingSeen({ id: "2", name: "" }, [{ key: "Virtual Disk Id", value }]).device;
    expect(device("0004fb00001800000ff01c26b6307261  [vm1_20140610083323]")).toMatchObject({
      kind: "physical-disk",
      name: "vm1_20140610083323",
    });
    expect(device("0004fb0000120000e6d5.img  [System]").kind).toBe("virtual-disk");
  });
});
