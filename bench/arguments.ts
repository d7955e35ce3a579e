import { type ParseArgsConfig, parseArgs } from 'node:util';

/** Options of a program, in the format of node:util. */
export type ParseArgsOptionsConfig = NonNullable<ParseArgsConfig['options']>;

type Values<O extends ParseArgsOptionsConfig> = ReturnType<
  typeof parseArgs<{ options: O; allowNegative: true }>
>['values'];

/** Parses the command line. `--help` prints the text and exits; an invalid option exits with code 2. */
export function called<O extends ParseArgsOptionsConfig>(help: string, options: O): Values<O> {
  try {
    const { values } = parseArgs({ options, allowNegative: true });
    if ((values as { help?: boolean }).help) {
      process.stdout.write(help);
      process.exit(0);
    }
    return values;
  } catch (error) {
    return usageError((error as Error).message);
  }
}

/** Prints one sentence and exits with code 2. */
export function usageError(sentence: string): never {
  process.stderr.write(`${sentence} (see --help)\n`);
  process.exit(2);
}

/** Parses a positive integer; exits with code 2 for any other text. */
export function count(option: string, text: string): number {
  const number = Number(text);
  return Number.isInteger(number) && number > 0
    ? number
    : usageError(`${option}: expected a positive integer, got ${text}`);
}

/** Returns the text if it is one of the words; otherwise exits with code 2. */
export function oneOf<W extends string>(option: string, text: string, words: readonly W[]): W {
  return (
    words.find((word) => word === text) ??
    usageError(`${option}: expected ${words.join(' or ')}, got ${text}`)
  );
}
