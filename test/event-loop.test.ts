// No asynchronous export blocks the main thread, at sizes where a single loop over the input would be noticeable.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test, { type ExecutionContext } from 'ava';
import type { Core, Outcome } from '../lib/call/binding.ts';
import { core, coreInfo } from '../lib/native.ts';
import { rowCall } from '../lib/row/call.ts';
import { rowCards } from '../lib/row/card.ts';
import { asyncNames, coreCalls } from './core-calls.ts';
import { describedCalls } from './generate-ops.ts';
import { largeCalls } from './large-calls.ts';

const run = promisify(execFile);
const child = fileURLToPath(new URL('event-loop-child.js', import.meta.url));

test('the calls cover every asynchronous export and every gallery method', async (t) => {
  const { calls, close } = await coreCalls({ rows: 64, side: 16 });
  await close();
  t.deepEqual([...new Set(calls.map(({ name }) => name))].sort(), asyncNames().sort());
});

type Native = Record<string, (...given: unknown[]) => Outcome>;

/** Calls `seen` with the job of every core call except `rowShort` and `rowVjpShort`; returns a function that stops this. */
function watch(seen: (job: unknown) => void): () => void {
  const binary = core() as Core & Native;
  const jobOf: Record<string, (given: readonly unknown[]) => unknown> = {
    ...Object.fromEntries(Object.keys(describedCalls()).map((name) => [name, (given) => given.at(-1)])),
    row: ([numbers]) => (numbers as Float64Array)[rowCall.job],
    rowVjp: ([numbers]) => (numbers as Float64Array)[rowCall.job],
  };
  const originals = Object.keys(jobOf).map((name) => [name, binary[name]!] as const);
  for (const [name, original] of originals) {
    binary[name] = (...given) => {
      seen(jobOf[name]!(given));
      return original.apply(binary, given);
    };
  }
  return () => {
    for (const [name, original] of originals) binary[name] = original;
  };
}

// Timing cannot show on which thread a call runs if it is fast at every practical size.
test.serial('asynchronous exports run the core in jobs only, and synchronous variants never', async (t) => {
  const { calls, close } = await coreCalls({ rows: 64, side: 16 });
  let jobs: unknown[] = [];
  const unwatch = watch((job) => jobs.push(job));
  const alone = new Set<string>();
  try {
    for (const { name, run, sync } of calls) {
      jobs = [];
      await run();
      t.deepEqual(
        jobs.filter((job) => !((job as number) > 0)),
        [],
        name,
      );
      if (jobs.length === 0) alone.add(name);
      jobs = [];
      sync?.();
      t.deepEqual(
        jobs.filter((job) => job !== 0),
        [],
        `${name}.sync`,
      );
    }
  } finally {
    unwatch();
    await close();
  }
  t.deepEqual([...alone].sort(), [
    'Gallery.add',
    'Gallery.load',
    'Gallery.remove',
    'Gallery.save',
    'embedTree',
    'normalize',
  ]);
});

/** Milliseconds for which WebAssembly may block the calling thread to copy 64 MB (lib/guide/webassembly.md). */
const copyMs = coreInfo().level === 'simd128' ? 200 : 0;

/**
 * Checks, in another process, that no turn of a call exceeds a bound: the time to add five million numbers, the time to fill
 * 8 MB of fresh memory, twice the longest turn of work that does not block, or `least` milliseconds, whichever is longest.
 */
async function longestTurns(t: ExecutionContext, least: number, ...args: readonly unknown[]): Promise<void> {
  t.timeout(600_000);
  const { stdout } = await run(process.execPath, ['--expose-gc', child, ...args.map(String)]);
  const results = JSON.parse(stdout) as { name: string; longest: number; bound: number; rounds: number }[];
  const longest = Math.max(...results.map((each) => each.longest / Math.max(least, each.bound)));
  t.log(`the longest turn of ${results.length} calls takes ${longest.toFixed(2)} of the bound`);
  t.deepEqual(
    results.filter((each) => each.longest > Math.max(least, each.bound)),
    [],
  );
}

test.serial('no call blocks the main thread for long', async (t) => {
  await longestTurns(t, 0, 'each', 8, 1 << 18, 1024);
});

// Eight million numbers, because a pass over them exceeds the bound.
test.serial('no call passes over a large matrix in one turn', async (t) => {
  await longestTurns(t, copyMs, 'large', 8, 1 << 23);
});

test('the calls on large matrices cover every asynchronous export except embedTree and other row-wise operations', async (t) => {
  const { calls, close } = await largeCalls(1 << 13);
  await close();
  const rowNames = new Set(rowCards().flatMap(({ name }) => [name, `${name}.vjp`]));
  const covered = new Set(calls.map(({ name }) => name));
  t.deepEqual(
    asyncNames().filter((name) => !covered.has(name) && !rowNames.has(name)),
    ['embedTree'],
  );
});
