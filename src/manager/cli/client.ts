import { Interrupted, TbuildError } from "../../errors.ts";
import { sleep } from "../../host/wait-for.ts";
import { atMost } from "../../io/parallel.ts";
import { hidden } from "../hide-secrets.ts";
import { saysLocked } from "../locked.ts";
import { type Block, breaksOff, linesOf, readAnswers, readXmlAnswer } from "./answer.ts";
import type { Command } from "./command.ts";
import { joinedReads } from "./joined-reads.ts";
import { connectionTo } from "./ssh/kept-connection.ts";
import { type Login, nameOf } from "./ssh/login.ts";

export interface CliClientOptions {
  readonly login: Login;
  readonly signal?: AbortSignal | undefined;
  /** Called with each command when it is sent, without secrets. */
  readonly onCommand?: ((shown: string) => void) | undefined;
  /** Called with the reason for each wait. */
  readonly onWait?: ((words: string) => void) | undefined;
  readonly readsXml: boolean;
  /** Milliseconds to wait for a locked object. */
  readonly lockMs?: number;
}

const readMs = 120_000;

/** The one way to the CLI: every command goes through `order` or `read`. */
export interface CliClient extends AsyncDisposable {
  readonly name: string;
  /**
   * A command that changes the Manager. It is sent once, and repeated only if the Manager refused it because
   * an object is locked.
   */
  order(command: Command, deadlineMs: number): Promise<Block>;
  /**
   * A command that changes nothing. A lost connection is opened again. Concurrent reads are sent in one call.
   */
  read(command: Command): Promise<Block>;
}

export function openCliClient(options: CliClientOptions): CliClient {
  const { login, signal, onCommand, onWait, lockMs = 300_000 } = options;
  const name = nameOf(login);
  const { sent: sentTo, closed } = connectionTo(login, signal);
  let said = "";
  async function sent(text: string, deadlineMs: number): Promise<string> {
    said = "";
    said = await sentTo(text, deadlineMs);
    return said;
  }
  // One command at a time: whether the CLI accepts several at once on one connection is not documented.
  const inTurn = atMost(1);

  async function ordered(command: Command, deadlineMs: number): Promise<Block> {
    const until = Date.now() + lockMs;
    for (let attempt = 0; ; attempt++) {
      onCommand?.(command.shown);
      const [block] = await inTurn(() => sent(command.text, deadlineMs).then(readAnswers)).catch((error) => {
        throw within(error, command);
      });
      if (block === undefined || block.status === "unknown")
        throw unreadable(name, command, "outcome-unknown", said);
      if (block.status === "success") return block;
      if (!saysLocked(block.error) || Date.now() >= until) throw refused(name, command, block);
      onWait?.(`${name}: an object is locked; trying again`);
      await sleep(Math.min(10_000, 500 * 2 ** attempt), signal);
      if (signal?.aborted) throw new Interrupted();
    }
  }

  async function readOnce(commands: readonly Command[]): Promise<Block[]> {
    const texts = commands.map(({ text }) => text);
    if (options.readsXml) {
      const blocks: Block[] = [];
      for (const text of texts) {
        // Options belong to the session, and each call is a session, so the mode is set in the same call.
        const answer = await sent(`set OutputMode=Xml; ${text}`, readMs);
        const answers = readAnswers(answer);
        const failed = answers.find(({ status }) => status === "failure");
        const xml = failed ? undefined : readXmlAnswer(answer);
        // Only lists and objects are printed as XML.
        const one = failed ?? (xml ? { command: text, time: "", error: "", ...xml } : answers[1]);
        if (one) blocks.push(one);
      }
      return blocks;
    }
    // `;` separates the commands of one call, and each prints a block (Tervis' OracleVM.psm1).
    const answer = await sent(texts.join("; "), readMs);
    if (!breaksOff(answer)) return readAnswers(answer);
    // What a list does not have would be made again.
    throw new TbuildError("environment", "its answer breaks off", { subject: name, code: "outcome-unknown" });
  }

  /** The blocks of one call; a lost connection is opened again. */
  async function call(commands: readonly Command[]): Promise<Block[]> {
    for (const { shown } of commands) onCommand?.(shown);
    for (let attempt = 1; ; attempt++)
      try {
        return await readOnce(commands);
      } catch (error) {
        const isLost =
          error instanceof TbuildError && ["outcome-unknown", "no-connection"].includes(error.code);
        if (!isLost || attempt >= 3) throw within(error, commands[0]);
        onWait?.(`${name}: the connection was lost; opening it again`);
        await sleep(250 * 2 ** attempt, signal);
        if (signal?.aborted) throw new Interrupted();
      }
  }

  const block = joinedReads({
    inTurn,
    call,
    unreadable: (command) => unreadable(name, command, "failed", said),
  });

  return {
    name,
    order: ordered,

    async read(command) {
      const answer = await block(command);
      if (answer.status === "failure") throw refused(name, command, answer);
      return answer;
    },

    async [Symbol.asyncDispose]() {
      await closed();
    },
  };
}

function refused(name: string, command: Command, { error }: Block): TbuildError {
  const lines = error.split("\n").filter((line) => line.trim() !== "");
  const safe = hidden(lines, command.secrets);
  return new TbuildError("environment", `refused: ${command.shown}`, {
    subject: name,
    code: saysLocked(error) ? "locked" : "failed",
    lines: safe.length === 0 ? ["It gave no reason."] : safe,
    hint: "The Manager's web interface shows the details of the job.",
  });
}

function within(error: unknown, command: Command | undefined): unknown {
  if (!command || !(error instanceof TbuildError) || error.code !== "outcome-unknown") return error;
  return error.with({ what: `${error.what}: ${command.shown}` });
}

function unreadable(
  name: string,
  command: Command,
  code: "outcome-unknown" | "failed",
  said: string,
): TbuildError {
  const lines = linesOf(said).flatMap((line) => line.trim().slice(0, 200) || []);
  return new TbuildError("environment", `its answer cannot be read: ${command.shown}`, {
    subject: name,
    code,
    lines: hidden(lines.slice(0, 5), command.secrets),
    hint: "Is this port the Manager's CLI? `ssh -p 10000 admin@HOST showversion` shows what it prints.",
  });
}
