import type { Command, Help, Option } from 'commander';

/** Text below the options of a command. */
export interface Notes {
  /** Lists of `[term, text]` by heading, such as the names that an argument accepts. */
  lists?: Readonly<Record<string, readonly (readonly [term: string, text: string])[]>>;
  paragraphs?: readonly string[];
  /** Examples as `[purpose, command]`. */
  examples?: readonly (readonly [what: string, command: string])[];
}

/** Adds notes and examples to a command's help. */
export function addNotes(command: Command, { lists = {}, paragraphs = [], examples = [] }: Notes): void {
  command.addHelpText('after', ({ command }) => {
    const help = command.createHelp();
    const width = command.configureOutput().getOutHelpWidth?.() ?? 80;
    help.helpWidth = width;
    const items = Object.entries(lists).map(([heading, entries]) => {
      const column = Math.max(...entries.map(([term]) => term.length));
      return [`${heading}:`, ...entries.map(([term, text]) => help.formatItem(term, column, text, help))];
    });
    const parts = items.map((lines) => lines.join('\n'));
    parts.push(...paragraphs.map((text) => help.boxWrap(text, width)));
    const lines = examples.map(([what, line]) => `  # ${what}\n  $ ${line.replaceAll('\n', '\n      ')}`);
    if (lines.length > 0) parts.push(['Examples:', ...lines].join('\n'));
    return `\n${parts.join('\n\n')}`;
  });
}

/** Describes an option in the style of the run options. By default, commander prints choices and default as JSON. */
export const helpStyle: Partial<Help> = {
  optionDescription({ description, argChoices, defaultValue, defaultValueDescription }: Option): string {
    const choices = argChoices === undefined ? '' : `. Value: ${alternatives(argChoices)}`;
    const standard = defaultValueDescription ?? (typeof defaultValue === 'string' ? defaultValue : undefined);
    return `${description}${choices}${standard === undefined ? '' : ` (default ${standard})`}`;
  },
};

function alternatives(names: readonly string[]): string {
  return `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`;
}
