// Compares several processes with one on the same global batches: `npm run test:ranks -- STEPS RANKS`, by default 20
// steps of 1, 2 and 4 ranks. Prints one table and fails if a row exceeds its tolerance; a test runs a part of it.
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
  ranks: number;
  /** Relative error in norm of the worst gradient tensor in the first step. */
  gradients: number;
  /** Largest error over all steps, relative to max(1, loss). */
  losses: number;
  /** Largest relative error of the gradient norm before clipping, over all steps. */
  norms: number;
  /** Largest relative error of a health statistic of a batch. */
  health: number;
  /** Relative error of the final weights as one vector. */
  weights: number;
  /** Largest absolute error of a recall. */
  recalls: number;
  /** Number of steps that the loss scaler skipped in only one of the two runs. */
  skips: number;
}

const scalars = { euclidean: 't_e', hyperbolic: 't_h,hyp_c', hybrid: 't_e,t_h,hyp_c' } as const;

/**
 * A backbone of one block, since depth adds only time. Average pooling keeps the initial embeddings apart: with a class
 * token, their mean distance is 0.3 instead of 1.3, and relative rounding errors of their differences are larger.
 */
const oneBlock = JSON.stringify({
  ...{ img_size: 16, patch_size: 8, embed_dim: 24, depth: 1, num_heads: 2 },
  global_pool: 'avg',
});

/** Returns a case for every geometry, head and option, each of `steps` training steps. */
export function allCases(path: string, steps: number): Case[] {
  const epochs = Math.ceil(steps / 2); // 16 training classes, 8 per batch
  const common = { ...tinyRun, model: oneBlock, path, ep: epochs, eval_ep: `[${epochs}]`, lr: 1e-4, bs: 16 };
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
    { name: 'float16', options: { ...options, precision: 'float16', loss_scale: 2 ** 12 } },
  ];
}

/** Writes the images for the cases. */
export async function preparedCases(): Promise<{ path: string; root: string; remove(): Promise<void> }> {
  const { path: root, remove } = await temporary();
  const path = join(root, 'images');
  await writeImages(path, classNames(32), 4);
  return { path, root, remove };
}

/** Runs the cases as the ranks of a group, or without a group if `size` is null. Returns the folder of the results. */
export async function runCases(root: string, cases: readonly Case[], size: number | null): Promise<string> {
  const folder = join(root, `ranks-${size ?? 'none'}`);
  await mkdir(folder, { recursive: true });
  const file = join(folder, 'cases.json');
  await writeFile(file, JSON.stringify(cases));
  await success(await startRanks(size, [child, file, folder]));
  return folder;
}

/** The largest accepted deviations. */
const tolerances = {
  ...{ gradients: 1e-5, losses: 1e-5, norms: 1e-4, health: 1e-4 },
  ...{ weights: 1e-4, recalls: 0.02, skips: 0 },
};
/** Matrix products have 8 (bfloat16) or 11 (float16) significant bits, and their rounding depends on the batch size. */
const lowTolerances: Record<string, typeof tolerances> = {
  bfloat16: {
    ...tolerances,
    gradients: 3e-2,
    losses: 1e-2,
    norms: 3e-2,
    health: 3e-2,
    weights: 1e-3,
    recalls: 0.1,
  },
  float16: {
    ...tolerances,
    gradients: 4e-3,
    losses: 1e-3,
    norms: 4e-3,
    health: 4e-3,
    weights: 1e-3,
    recalls: 0.1,
  },
};

/** Whether every deviation of a row is within the tolerance of its precision. */
export function isWithin(row: Deviation): boolean {
  return Object.entries(lowTolerances[row.name] ?? tolerances).every(
    ([column, most]) => row[column as keyof typeof tolerances] <= most,
  );
}

export async function compared(
  cases: readonly Case[],
  one: string,
  several: string,
  ranks: number,
): Promise<Deviation[]> {
  return await Promise.all(cases.map(({ name }) => comparedCase(name, one, several, ranks)));
}

async function comparedCase(name: string, one: string, several: string, ranks: number): Promise<Deviation> {
  const read = async (folder: string): Promise<CaseResult> =>
    JSON.parse(await readFile(join(folder, `${name}.json`), 'utf8')) as CaseResult;
  const [a, b] = [await read(one), await read(several)];
  const worst = (values: readonly number[]): number => Math.max(0, ...values);
  return {
    ...{ name, ranks },
    gradients: worst(await gradientErrors(name, one, several)),
    losses: worst(a.rows.map(({ loss }, i) => Math.abs(b.rows[i]!.loss - loss) / Math.max(1, loss))),
    norms: worst(a.rows.map(({ gradNorm }, i) => errorOf(b.rows[i]!.gradNorm, gradNorm))),
    health: worst(a.health.flatMap((row, i) => errorsOf(b.health[i]!, row))),
    weights: relativeError(await weightsOf(name, several), await weightsOf(name, one)),
    recalls: worst(a.recalls.map((recall, i) => Math.abs(recall - b.recalls[i]!))),
    skips: a.rows.filter(({ skipped }, i) => skipped !== b.rows[i]!.skipped).length,
  };
}

function errorOf(got: unknown, expected: unknown): number {
  if (typeof got !== 'number' || typeof expected !== 'number') return got === expected ? 0 : Infinity;
  return Math.abs(got - expected) / Math.max(Math.abs(expected), 1e-3);
}

/** Returns the relative error of each number in a row, except the time. */
function errorsOf(got: unknown, expected: unknown): number[] {
  if (typeof expected !== 'object' || expected === null) return [errorOf(got, expected)];
  return Object.entries(expected)
    .filter(([key]) => key !== 'seconds')
    .flatMap(([key, value]) => errorsOf((got as Record<string, unknown>)[key], value));
}

/** Returns the relative errors of the gradients. Gradients that consist only of rounding errors are not compared. */
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

/** Removes the bias of the attention keys: its exact gradient is 0, so Adam amplifies the rounding errors. */
function withoutKeys(key: string, values: Float32Array): Float32Array {
  if (!key.endsWith('qkv.bias')) return values;
  const third = values.length / 3;
  return Float32Array.from([...values.subarray(0, third), ...values.subarray(2 * third)]);
}

export function table(rows: readonly Deviation[]): string {
  const line = (cells: readonly string[]): string =>
    cells.map((cell, i) => (i === 0 ? cell.padEnd(26) : cell.padStart(i === 1 ? 5 : 10))).join(' ');
  const body = rows.map((row) => {
    const { name, ranks, gradients, losses, norms, health, weights, recalls, skips } = row;
    const errors = [gradients, losses, norms, health, weights, recalls].map((x) => x.toExponential(1));
    return line([name, String(ranks), ...errors, String(skips)]) + (isWithin(row) ? '' : '  too large');
  });
  return [
    line(['case', 'ranks', 'gradients', 'losses', 'norms', 'health', 'weights', 'Recall@1', 'skips']),
    ...body,
  ].join('\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [steps = '20', sizes = '1,2,4'] = process.argv.slice(2);
  const { path, root, remove } = await preparedCases();
  const cases = [...allCases(path, Number(steps)), ...lowCases(path, Number(steps))];
  const one = await runCases(root, cases, null);
  const rows: Deviation[] = [];
  for (const size of sizes.split(',').map(Number)) {
    const began = performance.now();
    const several = await runCases(root, cases, size);
    process.stderr.write(`${size} ranks: ${((performance.now() - began) / 1000).toFixed(0)} s\n`);
    rows.push(...(await compared(cases, one, several, size)));
  }
  process.stdout.write(`${table(rows)}\n`);
  if (!rows.every(isWithin)) process.exitCode = 1;
  await remove();
}
