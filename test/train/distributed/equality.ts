// Compares several processes with one on the same global batches: `node dist/test/train/distributed/equality.js STEPS
// RANKS`, by default 20 steps of 1, 2 and 4 ranks. Prints one table; a test runs a part of it.
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readSafetensors } from '../../../lib/io/index.ts';
import { relativeError } from '../helpers.ts';
import { classNames, temporary, tinyRun, writeImages } from '../tiny-data.ts';
import type { Case, CaseResult } from './equality-child.ts';
import { startRanks, success } from './ranks.ts';

const child = fileURLToPath(new URL('./equality-child.js', import.meta.url));

/** Largest deviations from a single process. */
export interface Deviation {
  name: string;
  /** Relative error in norm of the worst gradient tensor in the first step. */
  gradients: number;
  /** Largest error over all steps, relative to max(1, loss). */
  losses: number;
  /** Relative error of the final weights as one vector. */
  weights: number;
  /** Largest absolute error of a recall. */
  recalls: number;
  /** Number of steps that the loss scaler skipped only in one of the two. */
  skips: number;
}

const scalars = { euclidean: 't_e', hyperbolic: 't_h,hyp_c', hybrid: 't_e,t_h,hyp_c' } as const;

/** Every geometry, head and option, `steps` steps each. */
export function allCases(path: string, steps: number): Case[] {
  const common = { ...tinyRun, path, ep: steps, eval_ep: `[${steps}]`, lr: 1e-4, bs: 16 };
  const off = { save_every: null, weights: null } as const;
  return (['hybrid', 'euclidean', 'hyperbolic'] as const).flatMap((geometry) =>
    (['hypmix', 'hyp-vit'] as const).flatMap((head) => {
      const options = {
        plain: {},
        chunk: { chunk: 3 },
        memory: { memory: 6 },
        learned: { learn: scalars[geometry], learn_lr: 0.01 },
        ema: { ema: 0.9 },
      };
      return Object.entries(options).map(([name, option]) => ({
        name: `${geometry}-${head}-${name}`,
        options: { ...common, ...off, geometry, head, ...option },
      }));
    }),
  );
}

/** Cases of lower precision, which round differently in batches of other sizes. */
export function lowCases(path: string, steps: number): Case[] {
  const [{ options }] = allCases(path, steps) as [Case];
  return [
    { name: 'bfloat16', options: { ...options, precision: 'bfloat16' } },
    { name: 'float16-overflow', options: { ...options, precision: 'float16', loss_scale: 2 ** 24 } },
  ];
}

/** Images for the cases, and a function that runs them with some number of ranks. */
export async function preparedCases(): Promise<{ path: string; root: string; remove(): Promise<void> }> {
  const { path: root, remove } = await temporary();
  const path = join(root, 'images');
  await writeImages(path, classNames(32), 4);
  return { path, root, remove };
}

export async function runCases(root: string, cases: readonly Case[], size: number): Promise<string> {
  const folder = join(root, `ranks-${size}`);
  await mkdir(folder, { recursive: true });
  const file = join(folder, 'cases.json');
  await writeFile(file, JSON.stringify(cases));
  await success(await startRanks(size, [child, file, folder]));
  return folder;
}

export async function compared(name: string, one: string, several: string): Promise<Deviation> {
  const read = async (folder: string): Promise<CaseResult> =>
    JSON.parse(await readFile(join(folder, `${name}.json`), 'utf8')) as CaseResult;
  const [a, b] = [await read(one), await read(several)];
  const worst = (values: readonly number[]): number => Math.max(0, ...values);
  return {
    name,
    gradients: worst(await gradientErrors(name, one, several)),
    losses: worst(a.rows.map(({ loss }, i) => Math.abs(b.rows[i]!.loss - loss) / Math.max(1, loss))),
    weights: relativeError(await weightsOf(name, several), await weightsOf(name, one)),
    recalls: worst(a.recalls.map((recall, i) => Math.abs(recall - b.recalls[i]!))),
    skips: a.rows.filter(({ skipped }, i) => skipped !== b.rows[i]!.skipped).length,
  };
}

/** Gradients that consist only of rounding errors are not compared. */
async function gradientErrors(name: string, one: string, several: string): Promise<number[]> {
  const read = async (folder: string): Promise<Map<string, Float32Array>> => {
    const { tensors } = await readSafetensors(join(folder, `${name}.gradients.safetensors`));
    return new Map([...tensors].map(([key, { data }]) => [key, data as Float32Array]));
  };
  const [expected, got] = [await read(one), await read(several)];
  const total = Math.hypot(...[...expected.values()].map((values) => Math.hypot(...values)));
  return [...expected]
    .map(([key, values]) => [withoutKeys(key, got.get(key)!), withoutKeys(key, values)] as const)
    .filter(([, values]) => Math.hypot(...values) > 1e-6 * total)
    .map(([values, reference]) => relativeError(values, reference));
}

async function weightsOf(name: string, folder: string): Promise<Float32Array> {
  const { tensors } = await readSafetensors(join(folder, name, 'model.safetensors'));
  const parts = [...tensors].map(([key, { data }]) => [...withoutKeys(key, data as Float32Array)]);
  return Float32Array.from(parts.flat());
}

/** The gradient in a key's bias is exactly 0, so Adam amplifies its rounding. */
function withoutKeys(key: string, values: Float32Array): Float32Array {
  if (!key.endsWith('qkv.bias')) return values;
  const third = values.length / 3;
  return Float32Array.from([...values.subarray(0, third), ...values.subarray(2 * third)]);
}

export function table(rows: readonly Deviation[]): string {
  const line = (cells: readonly string[]): string =>
    cells.map((cell, i) => (i === 0 ? cell.padEnd(28) : cell.padStart(10))).join(' ');
  const body = rows.map(({ name, gradients, losses, weights, recalls, skips }) =>
    line([name, ...[gradients, losses, weights, recalls].map((x) => x.toExponential(1)), String(skips)]),
  );
  return [line(['case', 'gradients', 'losses', 'weights', 'Recall@1', 'skips']), ...body].join('\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [steps = '20', ranks = '2,4'] = process.argv.slice(2);
  const { path, root, remove } = await preparedCases();
  const cases = [...allCases(path, Number(steps)), ...lowCases(path, Number(steps))];
  const one = await runCases(root, cases, 1);
  for (const size of ranks.split(',').map(Number)) {
    const began = performance.now();
    const several = await runCases(root, cases, size);
    const rows = await Promise.all(cases.map(({ name }) => compared(name, one, several)));
    process.stdout.write(
      `${size} ranks, ${((performance.now() - began) / 1000).toFixed(0)} s\n${table(rows)}\n`,
    );
  }
  await remove();
}
