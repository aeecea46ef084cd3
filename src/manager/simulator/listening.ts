import type { EventEmitter } from "node:events";
import { TbuildError } from "../../errors.ts";

interface Listening extends Pick<EventEmitter, "once"> {
  listen(port: number, host: string, done: () => void): unknown;
}

/** Waits until a server listens on a loopback port; without one, any free port. */
export async function listening(server: Listening, port = 0): Promise<void> {
  await new Promise<void>((done, fail) => {
    server.once("error", (error: NodeJS.ErrnoException) => fail(refusal(error, port)));
    server.listen(port, "127.0.0.1", done);
  });
}

function refusal(error: NodeJS.ErrnoException, port: number): Error {
  const why = { EADDRINUSE: "is in use by another program", EACCES: "is open to root only" }[
    error.code ?? ""
  ];
  if (why === undefined) return error;
  const hint = "Choose another port, or none: then a free one is used.";
  return new TbuildError("environment", why, { subject: `port ${port} of 127.0.0.1`, hint, cause: error });
}
