import { type ParseArgsConfig, parseArgs } from 'node:util';

/** The options of a program, as node:util has them. */
export type ParseArgsOptionsConfig = NonNullable<ParseArgsConfig['options']>;

type Values<O extends ParseArgsOptionsConfig> = ReturnType<
  typeof parseArgs<{ options: O; allowNegative: true }>
>['values'];

/** The command line's options. `--help` prints the text and ends the process; a wrong option ends it with code 2. */
export function called<O extends ParseArgsOptionsConfig>(help: string, options: O): Values<O> {
  try {
    const { values } = parseArgs({ options, allowNegative: true });
    if ((values as { help?: boolean }).help) {
      process.stdout.write(help);
      process.exit(0);
    }
    return values;
  } catch (error) {
    return misused((error as Error).message);
  }
}

/** Ends the process with one sentence and code 2. */
export function misused(sentence: string): never {
  process.stderr.write(`${sentence} (--help tells more)\n`);
  process.exit(2);
}

/** A positive whole number. */
export function count(option: string, text: string): number {
  const number = Number(text);
  return Number.isInteger(number) && number > 0
    ? number
    : misused(`${option}: expected a positive whole number, got ${text}`);
}

/** One of a few words. */
export function oneOf<W extends string>(option: string, text: string, words: readonly W[]): W {
  return (
    words.find((word) => word === text) ?? misused(`${option}: expected ${words.join(' or ')}, got ${text}`)
  );
}
