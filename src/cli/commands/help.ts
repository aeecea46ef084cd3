import type { Command } from "commander";
import { TbuildError } from "../../errors.ts";
import { suggestion } from "../../recipe/findings.ts";
import { topicText } from "../topic-text.ts";
import { exitCodesMarkdown, topics } from "../topics.ts";

export async function run(args: readonly unknown[], command: Command): Promise<void> {
  const words = args[0] as string[];
  const program = command.parent as Command;
  const topic = topics.find(({ name }) => name === words[0]);
  if (topic) {
    const { markdown = false } = command.opts<{ markdown?: boolean }>();
    process.stdout.write(markdown && topic.name === "exit-codes" ? exitCodesMarkdown() : topicText(topic));
    return;
  }
  let found = program;
  for (const word of words) {
    const below = found.commands.find((one) => one.name() === word || one.aliases().includes(word));
    if (below === undefined) throw nothingCalled(word, found, found === program);
    found = below;
  }
  found.outputHelp();
}

function nothingCalled(word: string, parent: Command, top: boolean): TbuildError {
  const names = [...parent.commands.map((one) => one.name()), ...(top ? topics.map(({ name }) => name) : [])];
  return new TbuildError("usage", `no such command or topic${suggestion(word, names)}`, { subject: word });
}
