import { connect } from "node:net";
import type { Messages } from "../hypervisor.ts";

/** The host's end of the message port. The guest may open its end later, close it, and reopen it. */
export async function openMessages(socket: string): Promise<Messages> {
  const received: { key: string; value: string }[] = [];
  const line = connect(socket);
  await new Promise<void>((resolve, reject) => line.once("connect", resolve).once("error", reject));
  line.on("error", () => line.destroy());
  line.setEncoding("utf8");
  let rest = "";
  line.on("data", (text: string) => {
    const lines = (rest + text).split("\n");
    rest = lines.pop() ?? "";
    for (const one of lines) {
      const message = parsedMessage(one);
      if (message) received.push(message);
    }
  });
  return {
    received: () => received,
    send: (key, value) =>
      new Promise((resolve, reject) =>
        line.write(`${JSON.stringify({ key, value })}\n`, (error) => (error ? reject(error) : resolve())),
      ),
    async [Symbol.asyncDispose]() {
      line.destroy();
    },
  };
}

// The guest may send anything.
function parsedMessage(line: string): { key: string; value: string } | undefined {
  try {
    const { key, value } = JSON.parse(line) as { key?: unknown; value?: unknown };
    return typeof key === "string" && typeof value === "string" ? { key, value } : undefined;
  } catch {
    return undefined;
  }
}
