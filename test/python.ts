// Python programs of test/fixtures, run by the interpreter of bench/peers/.venv (npm run bench:peers) or else by python3,
// whichever has the packages. A program that lacks them ends with 77.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';

const own = join('bench', 'peers', '.venv', 'bin', 'python');
const absent = 77;

/**
 * What a program of test/fixtures prints. Null where no interpreter has its packages: the test then passes, and says so.
 *
 * @param what - the package that judges, for the log, which tells on what it ran
 * @throws Error with what the program said, where it failed
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
      reasons.push(`there is no ${own}`);
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
