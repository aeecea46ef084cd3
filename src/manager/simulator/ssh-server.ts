import { generateKeyPairSync, timingSafeEqual } from "node:crypto";
import type { AddressInfo } from "node:net";
import ssh2, { type AuthContext, type Connection, type PublicKeyAuthContext, type ServerChannel } from "ssh2";
import { carryOut, type Outcome } from "./cli-commands.ts";
import { type ParsedCommand, parseCommands } from "./cli-language.ts";
import { listening } from "./listening.ts";
import type { InjectedFault } from "./settings.ts";
import { Refusal, type World } from "./world.ts";

/** The CLI of the simulated Manager on a loopback port. */
export interface CliServer {
  readonly port: number;
  /** The public host key, from which `SHA256:…` is computed. */
  readonly hostKey: Buffer;
  /** The number of open connections. */
  connections(): number;
  /** Like a restart of the Manager: connections end, and passwords are requested again. */
  restart(): void;
  close(): Promise<void>;
}

export interface CliServerOptions {
  readonly port?: number;
  /** A private key in PEM or OpenSSH format. */
  readonly hostKey?: string;
  readonly onCommand?: (text: string) => void;
}

export async function cliServer(world: World, options: CliServerOptions = {}): Promise<CliServer> {
  const hostKey = options.hostKey ?? newHostKey();
  const connections = new Set<Connection>();
  // Clients whose password the Manager remembers, by user and address.
  const remembered = new Set<string>();
  const server = new ssh2.Server({ hostKeys: [hostKey] }, (connection, { ip }) => {
    connections.add(connection);
    let commands = 0;
    let timer: NodeJS.Timeout | undefined;
    const idle = () => {
      clearTimeout(timer);
      timer = setTimeout(() => connection.end(), world.settings.idleMs);
      timer.unref();
    };
    connection.on("authentication", (context) => authenticate(world, context, ip, remembered));
    connection.on("error", () => {});
    connection.once("close", () => {
      clearTimeout(timer);
      connections.delete(connection);
    });
    connection.on("ready", () => {
      // Missing in the types of ssh2.
      (connection as Connection & { setNoDelay(on: boolean): void }).setNoDelay(true);
      idle();
      connection.on("session", (accept) => {
        const session = accept();
        session.on("exec", (acceptExec, reject, { command }) => {
          if (commands++ >= world.settings.commandsPerConnection) {
            reject();
            return;
          }
          clearTimeout(timer);
          const channel = acceptExec();
          channel.on("error", () => {});
          const cut = () => connection.end();
          void answer(world, channel, command, cut, options.onCommand, () =>
            remembered.has(`${world.settings.user} ${ip}`),
          )
            .then((isRemembered) => {
              if (isRemembered) remembered.add(`${world.settings.user} ${ip}`);
            })
            .finally(idle);
        });
        // An interactive session: a prompt, and a command for each line.
        session.on("pty", (acceptPty) => acceptPty?.());
        session.on("shell", (acceptShell) => {
          const channel = acceptShell();
          channel.on("error", () => {});
          void talk(world, channel, options.onCommand, () => connection.end());
        });
      });
    });
  });
  await listening(server, options.port);
  const key = ssh2.utils.parseKey(hostKey);
  if (key instanceof Error) throw key;
  const endAll = () => {
    for (const one of connections) one.end();
  };
  return {
    port: (server.address() as AddressInfo).port,
    hostKey: (Array.isArray(key) ? key[0] : key)?.getPublicSSH() as Buffer,
    connections: () => connections.size,
    restart() {
      remembered.clear();
      endAll();
    },
    async close() {
      const closed = new Promise<void>((done) => server.close(() => done()));
      endAll();
      await closed;
    },
  };
}

function newHostKey(): string {
  const { privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  return privateKey.export({ type: "sec1", format: "pem" }).toString();
}

function authenticate(world: World, context: AuthContext, ip: string, remembered: Set<string>): void {
  const { user, password, authorizedKeys, passwordAfterKey, passwordMethod } = world.settings;
  const client = `${user} ${ip}`;
  const right = (text: string) => {
    const [a, b] = [Buffer.from(text), Buffer.from(password)];
    return a.length === b.length && timingSafeEqual(a, b);
  };
  const isUser = context.username === user;
  const accept = () => {
    remembered.add(client);
    context.accept();
  };
  const more = [...(authorizedKeys.length > 0 ? ["publickey" as const] : []), passwordMethod];
  if (context.method === "publickey") {
    if (!isUser || !authorizedKeys.some((text) => isSigned(context, text))) context.reject([passwordMethod]);
    // The first login of an address needs the password as well.
    else if (context.signature !== undefined && passwordAfterKey === "login" && !remembered.has(client))
      context.reject([passwordMethod], true);
    else context.accept();
  } else if (context.method === "password" && passwordMethod === "password") {
    if (isUser && right(context.password)) accept();
    else context.reject(more);
  } else if (context.method === "keyboard-interactive" && passwordMethod === "keyboard-interactive") {
    context.prompt([{ prompt: "Password: ", echo: false }], (answers) => {
      if (isUser && right(answers[0] ?? "")) accept();
      else context.reject(more);
    });
  } else context.reject(more);
}

/** Whether the key is the one of the text and, where the client signed, the signature is its own. */
function isSigned(context: PublicKeyAuthContext, text: string): boolean {
  const key = ssh2.utils.parseKey(text);
  if (key instanceof Error) return false;
  const one = Array.isArray(key) ? key[0] : key;
  if (one?.getPublicSSH().equals(context.key.data) !== true) return false;
  if (context.signature === undefined) return true;
  return one.verify(context.blob as Buffer, context.signature, context.hashAlgo as never) === true;
}

/** Answers one exec: the prompt and each command are repeated, and the prompt ends the output (log of OVM 3.4, pastebin 59AiZbNn). */
async function answer(
  world: World,
  channel: ServerChannel,
  text: string,
  cut: () => void,
  onCommand: CliServerOptions["onCommand"],
  isRemembered: () => boolean,
): Promise<boolean> {
  const { lineEnd, passwordAfterKey, authorizedKeys } = world.settings;
  const write = (out: string) => channel.write(out.replaceAll("\n", lineEnd));
  let entered = false;
  if (passwordAfterKey === "session" && authorizedKeys.length > 0 && !isRemembered()) {
    write("Password: ");
    const line = await nextLine(channel);
    if (line !== world.settings.password) {
      write("\nPermission denied, please try again.\n");
      channel.exit(1);
      channel.end();
      return false;
    }
    entered = true;
  }
  const session = { mode: "Verbose" };
  let parsed: ParsedCommand[];
  try {
    parsed = parseCommands(text, world.settings.unquotedSlash);
    if (parsed.length > 1 && !world.settings.separatesCommands)
      throw new Refusal("Unexpected input after the command: ;");
  } catch (error) {
    write(
      `OVM> ${text}\nCommand: ${text}\nStatus: Failure\nTime: ${time()}\nError Msg: ${(error as Error).message}\nOVM> `,
    );
    channel.exit(0);
    channel.end();
    return entered;
  }
  for (const one of parsed) {
    onCommand?.(one.text);
    const said = await block(world, one, session);
    if (said === "cut") {
      cut();
      return entered;
    }
    if (said.fault) {
      await half(`OVM> ${said.text}`, said.fault, { channel, write, cut });
      if (said.fault.kind !== "warns") return entered;
    } else write(`OVM> ${said.text}`);
    if (world.settings.afterFailure === "stops" && /^Status: Failure$/m.test(said.text)) break;
  }
  write("OVM> Connection closed.\n");
  channel.exit(0);
  channel.end();
  return entered;
}

/** The first half of an answer, and what becomes of the rest. */
async function half(
  text: string,
  { kind, text: warning = "" }: InjectedFault,
  { channel, write, cut }: { channel: ServerChannel; write(out: string): void; cut(): void },
): Promise<void> {
  const middle = Math.ceil(text.length / 2);
  write(text.slice(0, middle));
  if (kind === "breaks-off") cut();
  else if (kind === "ends-early") {
    channel.exit(0);
    channel.end();
  } else {
    channel.stderr.write(warning);
    await new Promise((done) => setTimeout(done, 50));
    write(text.slice(middle));
  }
}

async function talk(
  world: World,
  channel: ServerChannel,
  onCommand: CliServerOptions["onCommand"],
  cut: () => void,
): Promise<void> {
  const lineEnd = world.settings.lineEnd === "\n" ? "\n\r" : world.settings.lineEnd;
  const write = (out: string) => channel.write(out.replaceAll("\n", lineEnd));
  const session = { mode: "Verbose" };
  write("OVM> ");
  for (;;) {
    const line = await nextLine(channel);
    if (line === undefined || /^\s*(?:exit|quit)\s*$/i.test(line)) break;
    let parsed: ParsedCommand[] = [];
    try {
      parsed = parseCommands(line, world.settings.unquotedSlash);
    } catch (error) {
      write(`Command: ${line}\nStatus: Failure\nTime: ${time()}\nError Msg: ${(error as Error).message}\n`);
    }
    for (const one of parsed) {
      onCommand?.(one.text);
      const said = await block(world, one, session);
      if (said === "cut") return cut();
      // The terminal echoes the input, so the block begins after it.
      write(`\n${said.text.slice(said.text.indexOf("\n") + 1)}`);
    }
    write("OVM> ");
  }
  channel.exit(0);
  channel.end();
}

/** One command's echo and block; `cut` if the connection is to end. */
async function block(
  world: World,
  one: ParsedCommand,
  session: { mode: string },
): Promise<{ readonly text: string; readonly fault?: InjectedFault } | "cut"> {
  const fault = world.fault(`cli ${one.words.slice(0, 2).join(" ")}`);
  if (fault?.kind === "disconnects-before") return "cut";
  if (fault?.kind === "garbage")
    return { text: `${one.text}\n${fault.text ?? "\u0007\ufffd<html>502 Bad Gateway</html>\n"}` };
  const text = await answerOf(world, one, session, fault?.kind === "no-id");
  if (fault?.kind === "disconnects-after") return "cut";
  const isPart = fault !== undefined && ["breaks-off", "ends-early", "warns"].includes(fault.kind);
  return { text, ...(isPart && { fault }) };
}

async function answerOf(
  world: World,
  one: ParsedCommand,
  session: { mode: string },
  hidesId: boolean,
): Promise<string> {
  const shown = one.text;
  const [, mode] = /^set\s+outputmode\s*=\s*(\w+)$/i.exec(shown) ?? [];
  const head = (status: string, jobId?: string) =>
    `${shown}\nCommand: ${shown}\nStatus: ${status}\nTime: ${time()}\n${jobId === undefined ? "" : `JobId: ${jobId}\n`}`;
  const failed = (text: string, jobId?: string) => `${head("Failure", jobId)}Error Msg: ${text}\n`;
  try {
    if (mode !== undefined) {
      const known = ["Verbose", "Sparse", "Xml"].find((name) => name.toLowerCase() === mode.toLowerCase());
      if (known === undefined) return failed(`OutputMode must be Verbose, Sparse or Xml, not ${mode}.`);
      session.mode = known;
      return head("Success");
    }
    if (/^set\s/i.test(shown)) return head("Success");
    const { rows, job, kind }: Outcome = await carryOut(world, one);
    await job?.ended;
    if (job && job.state !== "SUCCESS") return failed(job.error ?? "The job failed.", job.id);
    const made = job?.result === undefined ? undefined : world.objects.get(job.result);
    const data = rows ?? (made && !hidesId ? [`id:${made.id}  name:${made.name}`] : []);
    if (session.mode === "Xml" && kind !== undefined) return `${shown}\n${xml(kind, data)}\n`;
    return `${head("Success", job?.id)}${data.length === 0 && !rows ? "" : `Data: \n${data.map((row) => `  ${row}\n`).join("")}`}`;
  } catch (error) {
    if (error instanceof Refusal) return failed(error.message);
    throw error;
  }
}

function xml(kind: "list" | "show", rows: readonly string[]): string {
  const escaped = (text: string) => text.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
  const items = rows.map((row) => {
    const [, id = "", name = ""] = /^id:(\S+) {2}name:(.*)$/.exec(row) ?? [];
    if (kind === "list") return `<Object><Id>${escaped(id)}</Id><Name>${escaped(name)}</Name></Object>`;
    const at = row.indexOf(" = ");
    return `<Property><PropertyName>${escaped(row.slice(0, at))}</PropertyName><PropertyValue>${escaped(row.slice(at + 3))}</PropertyValue></Property>`;
  });
  const root = kind === "list" ? "ListCommandResult" : "ShowCommandResult";
  return `<?xml version="1.0" encoding="UTF-8"?><${root}>${items.join("")}</${root}>`;
}

function time(): string {
  return `${new Date().toISOString().replace("T", " ").replace(".", ",").replace("Z", "")} UTC`;
}

/** The next line that the client types; `undefined` at the end. */
function nextLine(channel: ServerChannel): Promise<string | undefined> {
  return new Promise((resolve) => {
    let text = "";
    const take = (piece: Buffer) => {
      text += piece.toString();
      const end = /[\r\n]/.exec(text);
      if (!end) return;
      channel.off("data", take);
      channel.off("end", ended);
      channel.off("close", ended);
      const rest = text.slice(end.index + 1).replace(/^\n/, "");
      channel.pause();
      if (rest !== "") channel.unshift(Buffer.from(rest));
      resolve(text.slice(0, end.index));
    };
    const ended = () => resolve(undefined);
    channel.on("data", take);
    channel.once("end", ended);
    channel.once("close", ended);
    channel.resume();
  });
}
