import type { Block } from "./answer.ts";
import type { Command } from "./command.ts";

/** The maximum length of a call is not documented. */
const mostCommands = 50;
const mostCharacters = 4000;

interface Asked {
  readonly command: Command;
  resolve(block: Block): void;
  reject(error: unknown): void;
}

/**
 * Sends waiting reads as one call: `;` separates its commands, and each prints a block (Tervis'
 * OracleVM.psm1). It is not documented whether a failure ends the call, and whether every release separates
 * commands. So a command without a block is sent again. Once a call returns no block at all, each command is
 * sent in a separate call.
 */
export function joinedReads(options: {
  readonly inTurn: (work: () => Promise<void>) => Promise<void>;
  readonly call: (commands: readonly Command[]) => Promise<readonly Block[]>;
  /** The error for a command whose answer is not a block. */
  readonly unreadable: (command: Command) => Error;
}): (command: Command) => Promise<Block> {
  const waiting: Asked[] = [];
  let isDue = false;
  let joins = true;

  async function turn(): Promise<void> {
    isDue = false;
    const some = taken(waiting, joins);
    const commands = some.map(({ command }) => command);
    try {
      const blocks = ownBlocks(commands, await options.call(commands));
      for (const [at, block] of blocks.entries()) some[at]?.resolve(block);
      const [first] = some;
      if (blocks.length > 0 || some.length > 1) waiting.unshift(...some.slice(blocks.length));
      else if (first) first.reject(options.unreadable(first.command));
      if (blocks.length === 0) joins = false;
    } catch (error) {
      for (const one of some) one.reject(error);
    }
    begin();
  }

  function begin(): void {
    if (isDue || waiting.length === 0) return;
    isDue = true;
    // Concurrent requests are sent together.
    queueMicrotask(() => void options.inTurn(turn));
  }

  return (command) =>
    new Promise((resolve, reject) => {
      waiting.push({ command, resolve, reject });
      begin();
    });
}

function taken(waiting: Asked[], joins: boolean): Asked[] {
  let count = 0;
  for (let characters = 0; count < Math.min(waiting.length, joins ? mostCommands : 1); count++) {
    characters += (waiting[count]?.command.text.length ?? 0) + 2;
    if (count > 0 && characters > mostCharacters) break;
  }
  return waiting.splice(0, count);
}

/** The blocks that certainly belong to the first commands. */
function ownBlocks(commands: readonly Command[], blocks: readonly Block[]): readonly Block[] {
  const isWhole = blocks.length === commands.length;
  const other = commands.findIndex(({ text }, at) => {
    const block = blocks[at];
    return !block || block.status === "unknown" || !(isWhole || wordsOf(block.command) === wordsOf(text));
  });
  return other < 0 ? blocks : blocks.slice(0, other);
}

function wordsOf(text: string): string {
  return text.trim().replace(/\s+/g, " ");
}
