// The child process of training.test.ts: trains 500 steps from files, with evaluations and a run folder, and prints the
// longest time for which the main thread was busy in one turn of the event loop, the 99th percentile of the event loop's delay
// in milliseconds, and the growth of memory.
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { train } from '../../../lib/train/index.ts';
import { tinyRun } from '../tiny-data.ts';

const steps = 500;

/** CPU time of this thread in milliseconds. */
function threadMs(): number {
  const [nanoseconds] = readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'utf8').split(' ');
  return Number(nanoseconds) / 1e6;
}

const runs = await mkdtemp(join(tmpdir(), 'horoball-probe-'));
const options = { ...tinyRun, path: process.argv[2]!, runs, ep: steps, eval_ep: 'r(0,500,100)' };
// Loads the libraries, warms up the compiler, and lets the heap grow to the size that an evaluation needs.
await train({ ...options, ep: 60, eval_ep: 'r(0,61,10)' });

const delay = monitorEventLoopDelay({ resolution: 1 });
const rss: number[] = [];
let longestMs = 0;
let before = threadMs();
const watch = setInterval(() => {
  const now = threadMs();
  longestMs = Math.max(longestMs, now - before);
  before = now;
}, 1);
delay.enable();
await train(options, {
  onStep: ({ step }) => {
    rss.push(process.memoryUsage.rss());
    if (step < steps) return;
    delay.disable(); // the report, drawn after the last step, is not part of training
    clearInterval(watch);
  },
});
await rm(runs, { recursive: true });
const grownMiB = (Math.max(...rss.slice(-50)) - Math.max(...rss.slice(50, 150))) / 2 ** 20;
process.stdout.write(
  JSON.stringify({ steps: rss.length, longestMs, p99Ms: delay.percentile(99) / 1e6, grownMiB }),
);
