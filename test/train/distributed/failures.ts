// Makes a rank of `horoball train --nproc` fail in the middle of a step: `npm run test:ranks:failures -- RUNS SEED FAILURES`.
// Trains RUNS (default 5) times with each of the comma-separated FAILURES (default all), and prints one line per run. Exits
// with code 1 if the rank was not named, the others did not end soon, the run did not resume exactly once, or the weights are
// not bit-identical to those of an uninterrupted run.
import { execFile } from 'node:child_process';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { integer, random, uniform } from '../../../lib/random.ts';
import { horoball, type Running, start } from '../../cli/run.ts';
import { classNames, temporary, tinyRun, writeImages } from '../tiny-data.ts';

/** How a rank fails: SIGKILL, SIGSTOP, or a failed allocation of a tensor. */
export type Failure = 'killed' | 'stopped' | 'out of memory';

/** Ranks of a run: the failing one and two others. */
const size = 3;
const source = fileURLToPath(new URL('../../../../test/train/distributed/starve.c', import.meta.url));
const steps = 80;

export interface Outcome {
  /** Seconds from the failure to the end of each of the other ranks. */
  seconds: number[];
  /** The message of the launcher about the failure. */
  sentence: string;
  restarts: number;
  weights: Buffer;
}

export interface Fixture {
  root: string;
  /** Path of the compiled starve.c, which makes allocations of tensors fail; null without a C compiler. */
  starve: string | null;
  /** The final weights of a run without failures. */
  expected: Buffer;
  remove(): Promise<void>;
}

function command(root: string, name: string, ...more: string[]): string[] {
  const run = { ...tinyRun, ep: steps, eval_ep: `[${steps}]`, path: join(root, 'images'), name };
  const all = { ...run, runs: join(root, 'runs'), save_every: 0, threads: 1, bs: 32 };
  const given = Object.entries(all).flatMap(([key, value]) => [`--${key}`, `${value ?? 'None'}`]);
  return ['train', ...given, '--nproc', String(size), '--json', ...more];
}

const weightsOf = (root: string, name: string): Promise<Buffer> =>
  readFile(join(root, 'runs', name, 'model.safetensors'));

/** Writes images and trains once without failures. */
export async function prepare(): Promise<Fixture> {
  const { path: root, remove } = await temporary();
  const library = join(root, 'starve.so');
  const starve = await promisify(execFile)('cc', ['-shared', '-fPIC', '-o', library, source]).then(
    () => library,
    () => null,
  );
  await writeImages(join(root, 'images'), classNames(32), 6);
  const { code, stderr } = await horoball(command(root, 'whole'));
  if (code !== 0) throw new Error(`the run without failures ended with ${code}: ${stderr}`);
  return { root, starve, remove, expected: await weightsOf(root, 'whole') };
}

/** Returns the process ids of the ranks, in order. */
export async function ranksOf({ child }: Running): Promise<number[]> {
  const found: number[] = [];
  for (const entry of await readdir('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    const stat = await readFile(`/proc/${entry}/stat`, 'utf8').catch(() => '');
    if (Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]) !== child.pid) continue;
    const env = await readFile(`/proc/${entry}/environ`, 'utf8').catch(() => '');
    const rank = /(?:^|\0)RANK=(\d+)/.exec(env)?.[1];
    if (rank !== undefined) found[Number(rank)] = Number(entry);
  }
  return found;
}

const signals: Record<Failure, NodeJS.Signals> = {
  killed: 'SIGKILL',
  stopped: 'SIGSTOP',
  'out of memory': 'SIGUSR2',
};

/** Whether a rank can be made to fail in that way on this system. */
export function isPossible({ starve }: Fixture, failure: Failure): boolean {
  return process.platform === 'linux' && (failure !== 'out of memory' || starve !== null);
}

/** Waits until a process has ended, and returns the seconds from `since` until then. */
async function ended(pid: number, since: number): Promise<number> {
  for (;;) {
    const state = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
    if (state === null || /\) [ZX] /.test(state)) return (performance.now() - since) / 1000;
    await sleep(50);
  }
}

/** Trains with `--max-restarts 1`, and makes a rank fail `delayMs` after a step is logged. */
export async function fail(
  { root, starve }: Fixture,
  name: string,
  failure: Failure,
  rank: number,
  [step, delayMs]: readonly [number, number],
): Promise<Outcome> {
  const env = failure === 'out of memory' ? { LD_PRELOAD: starve! } : {};
  const running = start(command(root, name, '--max-restarts', '1'), env);
  await running.line(new RegExp(`"type":"step","step":${step},`));
  const pids = await ranksOf(running);
  await sleep(delayMs);
  const since = performance.now();
  process.kill(pids[rank]!, signals[failure]);
  const others = pids.filter((_, i) => i !== rank);
  const seconds = await Promise.all(others.map((pid) => ended(pid, since)));
  const { code, stderr, rows } = await running.outcome;
  if (code !== 0) throw new Error(`${name} ended with ${code}: ${stderr}`);
  const sentence = stderr.split('\n').find((line) => line.includes(`rank ${rank} `)) ?? stderr;
  const restarts = rows().filter(({ type }) => type === 'resume').length;
  return { seconds, sentence, restarts, weights: await weightsOf(root, name) };
}

/** Returns a pattern for the message, which must name the rank and its step. */
export const named = (rank: number): RegExp =>
  new RegExp(`rank ${rank} (?:ended or stopped responding|failed) during step \\d+`);

async function main(times: number, seed: number, failures: readonly Failure[]): Promise<void> {
  const next = random(seed);
  const fixture = await prepare();
  let number = 0;
  for (const failure of failures) {
    for (let i = 0; i < times; i++) {
      const rank = i % size;
      const moment = [10 + integer(next, 50), uniform(next, 0, 100)] as const;
      const name = `run-${number++}`;
      const { seconds, sentence, restarts, weights } = await fail(fixture, name, failure, rank, moment);
      const longest = Math.max(...seconds);
      const problems = [
        longest < 30 ? '' : 'too slow',
        named(rank).test(sentence) ? '' : 'the rank is not named',
        restarts === 1 ? '' : `${restarts} resumes`,
        weights.equals(fixture.expected) ? '' : 'other weights',
      ].filter((problem) => problem !== '');
      const verdict = problems.length === 0 ? 'same weights' : problems.join(', ');
      process.stdout.write(
        `rank ${rank} ${failure} after step ${moment[0]}: others ended in ${longest.toFixed(1)} s; ${verdict}; ${sentence}\n`,
      );
      if (problems.length > 0) process.exitCode = 1;
    }
  }
  await fixture.remove();
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  await main(
    Number(process.argv[2] ?? 5),
    Number(process.argv[3] ?? 1),
    (process.argv[4]?.split(',') ?? Object.keys(signals)) as Failure[],
  );
