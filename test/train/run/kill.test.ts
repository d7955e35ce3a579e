import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';

const script = fileURLToPath(new URL('./kill.js', import.meta.url));

test('runs killed at random moments give bit-identical results when resumed', async (t) => {
  t.timeout(300_000);
  const { stdout } = await promisify(execFile)(process.execPath, [script, '3']);
  t.log(stdout);
  t.is(stdout.match(/the same bits/g)?.length, 3);
});
