// Measures how long each asynchronous export of the core occupies the main thread at a time, and prints it as JSON.
import { pbkdf2 } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { nextTurn } from '../lib/call/next-turn.ts';
import { coreCalls } from './core-calls.ts';
import { largeCalls } from './large-calls.ts';

const never = new Int32Array(new SharedArrayBuffer(4));

/**
 * CPU time of the main thread in milliseconds, on Linux. Other systems report only the CPU time of the process, which
 * includes other threads; wall-clock time would include other processes.
 */
function cpuMs(): number {
  try {
    Atomics.wait(never, 0, 0, 0.01); // the kernel updates schedstat when a thread begins to wait
    const [nanoseconds] = readFileSync(`/proc/self/task/${process.pid}/schedstat`, 'latin1').split(' ');
    return Number(nanoseconds) / 1e6;
  } catch {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  }
}

/** Runs `work` and returns the longest turn of the event loop in the meantime. */
async function longestTurn(work: () => Promise<unknown>): Promise<number> {
  let isDone = false;
  let longest = 0;
  let [cpu, wall] = [cpuMs(), performance.now()];
  const look = (): void => {
    const now = [cpuMs(), performance.now()] as const;
    longest = Math.max(longest, Math.min(now[0] - cpu, now[1] - wall));
    [cpu, wall] = now;
  };
  const end = work().finally(() => {
    isDone = true;
  });
  look(); // the first turn includes the caller's own work
  while (!isDone) {
    await nextTurn();
    look();
  }
  await end;
  return longest;
}

/** The median CPU time of nine calls. */
function medianMs(work: () => unknown): number {
  const times = Array.from({ length: 9 }, () => {
    const before = cpuMs();
    work();
    return cpuMs() - before;
  });
  return times.sort((a, b) => a - b)[4]!;
}

const numbers = new Float64Array(1 << 20).fill(1);

/** Time in milliseconds to add a million numbers on this machine. */
function millionMs(): number {
  return medianMs(() => {
    let sum = 0;
    for (let i = 0; i < numbers.length; ++i) sum += numbers[i]!;
    return sum;
  });
}

const fresh: Uint8Array[] = [];
/**
 * Time in milliseconds to fill 8 MB of fresh memory: 2 on most machines, more where page faults are slow. A Map that grows to
 * 2^18 entries takes as much in one step.
 */
const freshMs = medianMs(() => fresh.push(new Uint8Array(1 << 23).fill(1)));
fresh.length = 0;

const [kind, rounds, ...sizes] = process.argv.slice(2);
const [size, side] = sizes.map(Number) as [number, number];
const { calls, close } = await (kind === 'large' ? largeCalls(size) : coreCalls({ rows: size, side }));
const results: { name: string; longest: number; bound: number; rounds: number }[] = [];
/** Work on Node's thread pool. It never blocks the event loop, so long turns during it are due to other processes. */
const control = () => promisify(pbkdf2)('', '', 20_000, 8, 'sha256');
for (const { name, run } of calls) {
  let longest = Infinity;
  let bound = 0;
  let round = 0;
  // Keeps the minimum over rounds: other processes lengthen turns in some rounds, a blocking call does so in every round.
  for (; round < Number(rounds) && (round === 0 || longest > bound); ++round) {
    globalThis.gc?.();
    bound = Math.max(bound, 5 * millionMs(), freshMs, 2 * (await longestTurn(control)));
    longest = Math.min(longest, await longestTurn(run));
  }
  results.push({ name, longest, bound, rounds: round });
}
await close();
process.stdout.write(JSON.stringify(results));
