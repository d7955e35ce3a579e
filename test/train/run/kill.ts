// node dist/test/train/run/kill.js [runs] [seed]: kills runs with SIGKILL at random moments, resumes each until it
// ends (half of them are killed more than once), and compares their files with those of a run that was not killed, bit
// for bit. Prints one line per run, and exits with code 1 if any file differs. kill.test.ts runs it with a few runs.

import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { random, uniform } from '../../../lib/random.ts';
import { start } from '../../cli/run.ts';
import { classNames, temporary, tinyRun, writeImages } from '../tiny-data.ts';
import { comparableFiles } from './comparable-files.ts';

const [count, seed] = [process.argv[2] ?? 20, process.argv[3] ?? Date.now() % 1e6].map(Number) as [
  number,
  number,
];

/** Two runs that together cover all state that changes from step to step. */
const variants = {
  everything: {
    ep: 15,
    eval_ep: '[0]+r(4,15,4)+[15]',
    schedule: 'cosine',
    warmup: 5,
    ema: 0.9,
    learn: 't_e,t_h',
    memory: 6,
    chunk: 6,
    layer_decay: 0.8,
    decayed: 'matrices',
  },
  float16: {
    ep: 4,
    eval_ep: '[4]',
    head: 'hyp-vit',
    precision: 'float16',
    loss_scale: 2 ** 20,
    learn: 'hyp_c',
  },
} as const;
type Variant = keyof typeof variants;

/** The command line of a run that writes a checkpoint after every step, and resumes if it was interrupted. */
function command(path: string, runs: string, variant: Variant, name: string): string[] {
  const { freeze: _, ...rest } = tinyRun;
  const options = { ...rest, bs: 16, freeze: 'None', threads: 1, save_every: 0, ...variants[variant] };
  const all = { ...options, path, runs, name, resume: 'auto' };
  return ['train', ...Object.entries(all).map(([key, value]) => `--${key}=${value}`)];
}

/**
 * Runs a command; kills it after `lifeMs`.
 *
 * @returns whether it ended before that
 */
async function live(args: readonly string[], lifeMs: number | null): Promise<boolean> {
  const { child, outcome } = start(args);
  const over = new AbortController();
  if (lifeMs !== null)
    setTimeout(lifeMs, null, { signal: over.signal }).then(
      () => child.kill('SIGKILL'),
      () => {},
    );
  const { code, stderr } = await outcome;
  over.abort();
  if (code !== null && code !== 0) throw new Error(`a run ended with ${code}: ${stderr}`);
  return code === 0;
}

/** Number of steps that are in metrics.jsonl. */
async function stepsOf(folder: string): Promise<number> {
  const text = await readFile(join(folder, 'metrics.jsonl'), 'utf8').catch(() => '');
  return text.split('\n').filter((line) => line.startsWith('{"type":"step"')).length;
}

const { path: root, remove } = await temporary();
try {
  const images = join(root, 'images');
  const runs = join(root, 'runs');
  await writeImages(images, classNames(32), 4);
  const expected: Partial<Record<Variant, Record<string, unknown>>> = {};
  const tookMs: Partial<Record<Variant, number>> = {};
  const next = random(seed, 0x6b);
  process.stdout.write(`seed ${seed}\n`);
  for (let i = 0; i < count; i++) {
    const variant: Variant = i % 2 === 0 ? 'everything' : 'float16';
    if (expected[variant] === undefined) {
      const began = performance.now();
      await live(command(images, runs, variant, variant), null);
      tookMs[variant] = performance.now() - began;
      expected[variant] = await comparableFiles(join(runs, variant));
    }
    const name = `killed-${i}`;
    const args = command(images, runs, variant, name);
    const at: number[] = [];
    while (at.length === 0 || next() < 0.5) {
      const ended = await live(args, uniform(next, 0, tookMs[variant]!));
      if (!ended) at.push(await stepsOf(join(runs, name)));
      else if (at.length > 0) break;
      else await rm(join(runs, name), { recursive: true }); // the run ended before the kill, so it is repeated
    }
    await live(args, null);
    const got = await comparableFiles(join(runs, name));
    const other = Object.keys(got).filter((key) => !isDeepStrictEqual(got[key], expected[variant]![key]));
    const verdict = other.length === 0 ? 'the same bits' : `other ${other.join(', ')}`;
    process.stdout.write(`${name} (${variant}): killed after ${at.join(' and ')} steps: ${verdict}\n`);
    if (other.length > 0) process.exitCode = 1;
  }
} finally {
  await remove();
}
