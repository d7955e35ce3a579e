// Checks that calls do not leak memory, whether they complete, fail or are aborted. HOROBALL_MEMORY_CALLS sets the number
// of calls per export and outcome.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import test from 'ava';

const run = promisify(execFile);
const child = fileURLToPath(new URL('memory-child.js', import.meta.url));
const calls = Number(process.env['HOROBALL_MEMORY_CALLS'] ?? 1000);

interface Growth {
  name: string;
  rss: number;
  external: number;
  heap: number;
}

test('memory does not grow with the number of completed, failed and aborted calls', async (t) => {
  t.timeout(600_000 + 100 * calls);
  const { stdout } = await run(process.execPath, ['--expose-gc', child, String(calls)], {
    maxBuffer: 1 << 24,
  });
  const { rss, external, results } = JSON.parse(stdout) as Growth & { results: Growth[] };
  t.log(`${results.length} exports: resident memory grew by ${rss >> 10} KB, external by ${external} bytes`);
  t.true(results.length > 0);
  // Each export is called 4 * calls times, so a leak of 8 bytes per call adds 32 * calls bytes of external memory.
  t.deepEqual(
    results.filter((each) => each.external > 8 * calls + 16_384),
    [],
  );
  t.deepEqual(
    results.filter((each) => each.heap > 40 * calls + 500_000),
    [],
  );
  t.true(rss < 48 * 2 ** 20, `${rss} bytes`);
  // The allocator may keep some megabytes that an export has freed. With 1,000 calls, this bound detects leaks of 4.2 KB
  // per call.
  t.deepEqual(
    results.filter((each) => each.rss > 16 * 2 ** 20),
    [],
  );
});
