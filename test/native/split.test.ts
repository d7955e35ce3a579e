// The loss divided among ranks equals the undivided loss, and a rank whose gather fails ends the call.
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { networkError } from '../tolerances.ts';

const execute = promisify(execFile);
const root = fileURLToPath(new URL('../../', import.meta.url));

/** Builds native/test/split.cc and returns the lines that it prints; null in a checkout that has not been built. */
async function linesOf(...options: string[]): Promise<string[] | null> {
  if (!existsSync(join(root, 'build', 'CMakeCache.txt'))) return null;
  await execute('cmake', ['--build', join(root, 'build'), '--target', 'split']);
  const { stdout } = await execute(join(root, 'build', 'split'), options);
  return stdout.trim().split('\n');
}

test.serial(
  'losses, statistics and gradients are equal for all geometries and heads, also with uneven and empty ranks',
  async (t) => {
    t.timeout(300_000);
    const lines = await linesOf();
    if (lines === null) return t.pass('skipped: needs a checkout that has been built');
    // 5 geometries, 2 heads, 2 kinds of guards, 2 types, 3 shapes and 3 splits; and one large case per geometry and type.
    t.is(lines.length, 5 * 2 * 2 * 2 * 3 * 3 + 5 * 2);
    for (const line of lines) {
      const [name, error] = line.split('\t');
      const most = line.startsWith('float64') ? networkError.divided : networkError.orderOfGradients;
      t.true(Number(error) <= most, `${name}: ${error}`);
    }
  },
);

test.serial('a rank whose gather fails ends with an error', async (t) => {
  const lines = await linesOf('fail');
  if (lines === null) return t.pass('skipped: needs a checkout that has been built');
  t.deepEqual(lines, ['6', '6'], 'Code::internal');
});
