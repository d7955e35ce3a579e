/** A planted fault: text that occurs once in a file, and its replacement. */
export interface Mutant {
  file: string;
  from: string;
  to: string;
  /** Names of test files without folder and extension, the most specific first; one of them must fail. */
  tests: readonly string[];
}

/** Returns the faults of one file; `tests` are separated by spaces. */
export const at = (file: string, tests: string, ...changes: [from: string, to: string][]): Mutant[] =>
  changes.map(([from, to]) => ({ file, from, to, tests: tests.split(' ') }));
