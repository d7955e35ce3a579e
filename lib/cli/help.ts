import type { Command, Help, Option } from 'commander';

/** What stands under the options of a command. */
export interface Notes {
  paragraphs?: readonly string[];
  /** What is wanted, and the command line that gives it: `[what, command]`. */
  examples?: readonly (readonly [what: string, command: string])[];
}

/** Adds notes and examples to a command's help. */
export function addNotes(command: Command, { paragraphs = [], examples = [] }: Notes): void {
  command.addHelpText('after', ({ command }) => {
    const help = command.createHelp();
    const width = command.configureOutput().getOutHelpWidth?.() ?? 80;
    const parts = paragraphs.map((text) => help.boxWrap(text, width));
    const lines = examples.map(([what, line]) => `  # ${what}\n  $ ${line.replaceAll('\n', '\n      ')}`);
    if (lines.length > 0) parts.push(['Examples:', ...lines].join('\n'));
    return `\n${parts.join('\n\n')}`;
  });
}

/** An option's line in the words that the options of a run have, instead of commander's JSON. */
export const helpStyle: Partial<Help> = {
  optionDescription({ description, argChoices, defaultValue, defaultValueDescription }: Option): string {
    const choices = argChoices === undefined ? '' : `: ${alternatives(argChoices)}`;
    const standard = defaultValueDescription ?? (typeof defaultValue === 'string' ? defaultValue : undefined);
    return `${description}${choices}${standard === undefined ? '' : ` (default ${standard})`}`;
  },
};

function alternatives(names: readonly string[]): string {
  return `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`;
}
