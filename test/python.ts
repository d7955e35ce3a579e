// Runs Python programs of test/fixtures with the interpreter of bench/peers/.venv (npm run bench:peers) or
// with python3, whichever has the packages. A program exits with 77 if they are missing.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';

const own = join('bench', 'peers', '.venv', 'bin', 'python');
const absent = 77;

/**
 * Runs a program of test/fixtures.
 *
 * @param what - the package that is compared with, for the log
 * @returns its output; null if no interpreter has its packages, in which case the test passes with a log line
 * @throws Error with the program's output if it failed
 */
export function python(
  t: ExecutionContext,
  what: string,
  fixture: string,
  ...args: readonly string[]
): string | null {
  const reasons: string[] = [];
  for (const program of [own, 'python3']) {
    if (program === own && !existsSync(own)) {
      reasons.push(`${own} does not exist`);
      continue;
    }
    const { error, status, stdout, stderr } = spawnSync(
      program,
      [join('test', 'fixtures', fixture), ...args],
      {
        encoding: 'utf8',
        timeout: 120_000,
        maxBuffer: 2 ** 26,
      },
    );
    if (error === undefined && status === 0) {
      t.log(`ran on ${what} of ${program}`);
      return stdout;
    }
    if (error === undefined && status !== absent) throw new Error(stderr);
    reasons.push(`${program}: ${error?.message ?? stdout.trim()}`);
  }
  t.log(`SKIPPED, no ${what}: ${reasons.join('; ')}`);
  t.pass();
  return null;
}
