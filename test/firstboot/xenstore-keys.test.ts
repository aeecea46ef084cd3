import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  keyOfNode,
  messageWrites,
  mostPart,
  nodeOfKey,
  xenstoreNodes,
} from "../../src/firstboot/xenstore-keys.ts";

describe("messages in xenstore", () => {
  it.each([
    ["com.oracle.linux.root-password", "com_oracle_linux_root-password"],
    ["com.oracle.linux.network.device.0", "com_oracle_linux_network_device_0"],
    ["a_b@c", "a@5Fb@40c"],
    ["../x", "__@2Fx"],
    ["schlüssel", "schl@C3@BCssel"],
  ])("write the key %j as the node %j", (key, node) => {
    expect(nodeOfKey(key)).toBe(node);
    expect(keyOfNode(node)).toBe(key);
  });

  it.each(["", "a.b", "@41", "@5f", "@", "@C3", "a/b", "a b"])("know no key for the node %j", (node) => {
    expect(keyOfNode(node)).toBeUndefined();
  });

  it("write every key as one valid xenstore name", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", minLength: 1, maxLength: 64 }), (key) => {
        expect(nodeOfKey(key)).toMatch(/^[A-Za-z0-9_@-]+$/);
        expect(keyOfNode(nodeOfKey(key))).toBe(key);
      }),
    );
  });

  it("are one node when they are short, an empty value too", () => {
    expect(messageWrites("a.b", "")).toEqual([{ node: "data/tbuild/in/a_b", value: Buffer.from("") }]);
    expect(messageWrites("a.b", "x".repeat(mostPart))).toHaveLength(1);
  });

  it("are parts when they are long, the first of which is written last", () => {
    const value = "ü".repeat(4096);
    const writes = messageWrites("a.b", value);
    expect(writes.map(({ node }) => node)).toEqual([
      "data/tbuild/in/a_b/1",
      "data/tbuild/in/a_b/2",
      "data/tbuild/in/a_b",
    ]);
    const first = writes.at(-1)?.value ?? Buffer.alloc(0);
    expect(Buffer.concat([first, ...writes.slice(0, -1).map((one) => one.value)]).toString()).toBe(value);
  });

  it("fit into a packet of 4096 bytes with the longest key", () => {
    // 256 bytes are the longest key of Oracle VM; `/local/domain/` and five digits are the longest folder of a domain.
    const folder = "/local/domain/32751/";
    for (const { node, value } of messageWrites("@".repeat(256), "x".repeat(8192)))
      expect(folder.length + node.length + 1 + value.length).toBeLessThanOrEqual(4096);
    expect(xenstoreNodes.in.startsWith(`${xenstoreNodes.folder}/`)).toBe(true);
  });
});
