// Checks that calls do not leak memory, whether they complete, fail or are aborted, and that they reuse scratch memory.
// HOROBALL_MEMORY_CALLS sets the number of calls per export and outcome.
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

test('large scratch memory is reused by later calls, and freed when no call needs it', async (t) => {
  if (process.platform !== 'linux') return t.pass('only on Linux');
  const code = `
    import { readFileSync } from 'node:fs';
    import { setTimeout } from 'node:timers/promises';
    import { matrix, topK } from '${new URL('../lib/index.js', import.meta.url).href}';
    const gallery = matrix(Float32Array.from({ length: 20_000 * 128 }, (_, i) => ((i * 7919) % 1000) / 1e5), 20_000, 128);
    const queries = matrix(gallery.data.subarray(0, 64 * 128), 64, 128);
    const search = () => topK.sync(queries, gallery, { k: 1, c: 1, threads: 2 });
    const resident = () => 4096 * Number(readFileSync('/proc/self/statm', 'utf8').split(' ')[1]);
    for (let call = 0; call < 3; ++call) search();
    const before = process.resourceUsage().minorPageFault;
    for (let call = 0; call < 10; ++call) search();
    const faults = process.resourceUsage().minorPageFault - before;
    const used = resident();
    await setTimeout(11_000);
    console.log(JSON.stringify({ faults, freed: used - resident() }));`;
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', code]);
  const { faults, freed } = JSON.parse(stdout) as { faults: number; freed: number };
  // The scratch memory of this search takes 10 MB: 2,500 pages, or 5 huge ones and the rest.
  t.true(faults < 500, `${faults} page faults`);
  t.true(freed > 8e6, `${freed} bytes`);
});
