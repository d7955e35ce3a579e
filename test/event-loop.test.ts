// No asynchronous export blocks the main thread, at sizes where a single loop over the input would be noticeable.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';
import { asyncNames, coreCalls } from './core-calls.ts';

const run = promisify(execFile);
const child = fileURLToPath(new URL('event-loop-child.js', import.meta.url));

test('the calls cover every asynchronous export and every gallery method', async (t) => {
  const { calls, close } = await coreCalls({ rows: 64, side: 16 });
  await close();
  t.deepEqual([...new Set(calls.map(({ name }) => name))].sort(), asyncNames().sort());
});

// The bound is what the machine needs to add five million numbers, or twice the longest turn of a native call.
test('no call blocks the main thread for long', async (t) => {
  t.timeout(600_000);
  const { stdout } = await run(process.execPath, ['--expose-gc', child, '262144', '1024', '8']);
  const results = JSON.parse(stdout) as { name: string; longest: number; bound: number; rounds: number }[];
  const longest = Math.max(...results.map((each) => each.longest / each.bound));
  t.log(`the longest turn of ${results.length} calls takes ${longest.toFixed(2)} of the bound`);
  t.deepEqual(
    results.filter((each) => each.longest > each.bound),
    [],
  );
});
