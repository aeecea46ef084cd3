import { type Answer, managerMessages, stdinMessages } from "./messages.ts";
import { rootPasswordKey } from "./shipped.ts";

export type MessageFormName = "ovmcli" | "stdin" | "ovmd" | "json";

/** A way to hand first-boot messages to a guest. */
export interface MessageForm {
  readonly summary: string;
  /** The text that does it, for the machine of that name. The root password comes last. */
  readonly write: (answers: readonly Answer[], machine: string) => string;
}

/** One entry per form; `tbuild message --as`, its help and its documents are made of it. */
export const messageForms: Readonly<Record<MessageFormName, MessageForm>> = {
  ovmcli: {
    summary: "commands for the CLI of Oracle VM Manager",
    write: (answers, machine) => lines(managerMessages(answers, machine)),
  },
  stdin: {
    summary: "lines for `ovm-template-config --stdin configure`",
    write: (answers) => lines(stdinMessages(answers)),
  },
  ovmd: {
    summary: "commands for a shell in the guest, one ovmd -p each",
    write: (answers) =>
      lines(inOrder(answers).map(({ key, value }) => `ovmd -p ${quoted(`${key}=${value}`)}`)),
  },
  json: {
    summary: "a JSON object, the root password last",
    write: (answers) =>
      `${JSON.stringify(Object.fromEntries(inOrder(answers).map(({ key, value }) => [key, value])), undefined, 2)}\n`,
  },
};

export const messageFormNames = Object.keys(messageForms) as MessageFormName[];

function inOrder(answers: readonly Answer[]): Answer[] {
  return [
    ...answers.filter(({ key }) => key !== rootPasswordKey),
    ...answers.filter(({ key }) => key === rootPasswordKey),
  ];
}

// In single quotes the shell reads nothing; a single quote ends them, stands escaped, and they go on.
function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

function lines(all: readonly string[]): string {
  return all.map((line) => `${line}\n`).join("");
}
