// No argument of any export crashes the process, hangs, takes much memory, or causes an error without a code.
// HOROBALL_WRONG_SECONDS sets the time per seed; an hour covers all calls.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';

const run = promisify(execFile);
const child = fileURLToPath(new URL('wrong-arguments-child.js', import.meta.url));
const seconds = Number(process.env['HOROBALL_WRONG_SECONDS'] ?? 20);

for (const seed of process.env['HOROBALL_WRONG_SEEDS']?.split(',') ?? ['1', '2'])
  test(`no export crashes, hangs or throws an uncoded error, seed ${seed}`, async (t) => {
    t.timeout(1000 * (seconds + 120));
    const { stdout } = await run(process.execPath, [child, seed, String(seconds)], {
      maxBuffer: 2 ** 30,
      timeout: 1000 * (seconds + 100),
    }).catch((error: Error & { stdout: string; stderr: string; signal: string | null }) => {
      const last = error.stdout.trimEnd().split('\n').at(-1);
      throw new Error(`${error.signal ?? error.stderr} at ${last}`);
    });
    const lines = stdout.split('\n');
    const faults = lines.flatMap((line, i) =>
      /^(uncoded|hang|memory: added)/.test(line) ? [lines.slice(Math.max(0, i - 1), i + 4).join('\n')] : [],
    );
    t.deepEqual(faults, []);
    const [, calls, callables, results] =
      /^done: (\d+) of \d+ calls of (\d+) callables, (\d+) with a result$/m.exec(stdout)!;
    t.log(`${calls} calls of ${callables} callables, ${results} with a result`);
    t.true(Number(calls) >= Number(callables), `${calls} calls of ${callables} callables`);
    t.true(Number(results) > 0.6 * Number(callables), `${results} of ${callables} had a result`);
  });
