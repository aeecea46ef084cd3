import { inSendingOrder, rootPasswordKey } from "../model/root-password.ts";
import { mostBytes } from "./message-limits.ts";
import { type Answer, managerMessages, stdinMessages } from "./messages.ts";
import { ovfEnvironment, ovfEnvironmentFile } from "./ovf-environment.ts";
import { messageWrites } from "./xenstore-keys.ts";

/** A form of first-boot messages for a guest. */
export interface MessageForm {
  readonly summary: string;
  /** The text of the messages, for the machine with this name. The root password comes last. */
  readonly write: (answers: readonly Answer[], machine: string) => string;
  /** The form is a disc, or a folder with the disc's files: its label, and the file that `write` gives. */
  readonly disc?: { readonly label: string; readonly file: string };
  /** A seed for cloud-init, with this version of its network configuration: several files, and hashes of passwords (nocloud.ts). */
  readonly seed?: 0 | 1 | 2;
}

const forms = {
  ovmcli: {
    summary: "commands for the CLI of Oracle VM Manager",
    write: (answers, machine) => lines(managerMessages(answers, machine)),
  },
  rest: {
    summary: "calls of Oracle VM Manager's REST API, as JSON",
    write: (answers) => `${JSON.stringify(restCalls(answers), undefined, 2)}\n`,
  },
  stdin: {
    summary: "lines for `ovm-template-config --stdin configure`",
    write: (answers) => lines(stdinMessages(answers)),
  },
  ovmd: {
    summary: "commands for a shell in the guest, one ovmd -p each",
    write: (answers) =>
      lines(inSendingOrder(answers).map(({ key, value }) => `ovmd -p ${quoted(`${key}=${value}`)}`)),
  },
  xenstore: {
    summary: "commands for a shell in Xen's Dom0; for tbuild's additions",
    write: (answers, machine) =>
      lines([`domain=/local/domain/$(xl domid ${quoted(machine)}) || exit`, ...xenstoreWrites(answers)]),
  },
  ovf: {
    summary: `an OVF environment; with --output, a disc with ${ovfEnvironmentFile}`,
    write: (answers, machine) => ovfEnvironment(inSendingOrder(answers), machine),
    disc: { label: "OVF ENV", file: ovfEnvironmentFile },
  },
  nocloud: {
    summary: "a seed for cloud-init (NoCloud); needs --output",
    write: () => "",
    disc: { label: "cidata", file: "user-data" },
    seed: 1,
  },
  "nocloud-v2": {
    summary: "the same, with version 2 of the network configuration",
    write: () => "",
    disc: { label: "cidata", file: "user-data" },
    seed: 2,
  },
  "nocloud-old": {
    summary: "the same, for a cloud-init before 0.7.7, such as OL6's",
    write: () => "",
    disc: { label: "cidata", file: "user-data" },
    seed: 0,
  },
  json: {
    summary: "a JSON object, the root password last",
    write: (answers) =>
      `${JSON.stringify(Object.fromEntries(inSendingOrder(answers).map(({ key, value }) => [key, value])), undefined, 2)}\n`,
  },
} satisfies Record<string, MessageForm>;

export type MessageFormName = keyof typeof forms;

/** One entry per form. `tbuild message --as` and its help are made from them. */
export const messageForms: Readonly<Record<MessageFormName, MessageForm>> = forms;

export const messageFormNames = Object.keys(messageForms) as MessageFormName[];

/**
 * The bodies of `sendMessage` (Oracle VM Web Services API Developer's Guide, "Sending messages"). A secret or
 * a message over 1024 bytes is not logged, so it gets a separate call; the root password is in the last one.
 */
function restCalls(answers: readonly Answer[]) {
  const said = inSendingOrder(answers).filter(({ value }) => value !== "");
  const isQuiet = ({ value, password }: Answer) => password || Buffer.byteLength(value) > mostBytes.logged;
  const groups = [
    { log: "Yes", messages: said.filter((one) => one.key !== rootPasswordKey && !isQuiet(one)) },
    { log: "No", messages: said.filter((one) => one.key !== rootPasswordKey && isQuiet(one)) },
    { log: "No", messages: said.filter(({ key }) => key === rootPasswordKey) },
  ];
  return groups
    .filter(({ messages }) => messages.length > 0)
    .map(({ log, messages }) => ({
      method: "PUT",
      path: `/ovm/core/wsapi/rest/Vm/ID/sendMessage?logFlag=${log}`,
      body: messages.map(({ key, value }) => ({ key, value })),
    }));
}

// xenstore-write reads a backslash as the start of an escape, and a value that begins with - as an option.
function xenstoreWrites(answers: readonly Answer[]): string[] {
  return inSendingOrder(answers)
    .filter(({ value }) => value !== "")
    .flatMap(({ key, value }) => messageWrites(key, value))
    .map(({ node, value }) => {
      const text = [...value]
        .map((byte, index) =>
          byte >= 0x20 && byte < 0x7f && byte !== 0x5c && !(index === 0 && byte === 0x2d)
            ? String.fromCharCode(byte)
            : `\\x${byte.toString(16).padStart(2, "0")}`,
        )
        .join("");
      return `xenstore-write "$domain/${node}" ${quoted(text)}`;
    });
}

// In single quotes the shell interprets nothing. For a single quote, they are closed, the quote is escaped, and they are opened again.
function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

function lines(all: readonly string[]): string {
  return all.map((line) => `${line}\n`).join("");
}
