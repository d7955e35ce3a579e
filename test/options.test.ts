// Every export rejects an unknown option, and reads each option once.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';

const run = promisify(execFile);
const child = fileURLToPath(new URL('options-child.js', import.meta.url));

test('no export ignores an unknown option or reads an option twice', async (t) => {
  t.timeout(240_000);
  const { stdout } = await run(process.execPath, [child], { maxBuffer: 2 ** 26 });
  t.deepEqual(
    stdout.split('\n').filter((line) => line.startsWith('fault')),
    [],
  );
  const [, probed] = /^done: (\d+) arguments/m.exec(stdout)!;
  t.log(`${probed} arguments`);
  t.true(Number(probed) > 100, probed);
});
