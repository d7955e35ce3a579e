// Optional features of runs: precision, EMA, learnable scalars, gradient caching, cross-batch memory, clipping, layer decay.
import { join } from 'node:path';
import { readSafetensors } from '../../../lib/io/index.ts';
import {
  memory,
  type RunConfig,
  readRun,
  type StepRow,
  type TrainHooks,
  type TrainResult,
  train,
} from '../../../lib/train/index.ts';
import { networkError } from '../../tolerances.ts';
import { tinyRun } from '../tiny-data.ts';
import { testOnImages } from './on-images.ts';

const test = testOnImages(6);

type Options = Partial<RunConfig>;

async function run(
  path: string,
  options: Options,
  hooks: TrainHooks = {},
): Promise<{ rows: StepRow[]; result: TrainResult }> {
  const rows: StepRow[] = [];
  const onStep = (row: StepRow): void => void rows.push(row);
  const result = await train(
    { ...tinyRun, path, runs: null, eval_ep: '[]', ...options },
    { ...hooks, onStep },
  );
  return { rows, result };
}

const losses = (rows: readonly StepRow[]): number[] => rows.map((row) => row.loss);
const mean = (values: readonly number[]): number => values.reduce((sum, x) => sum + x, 0) / values.length;
const learns = (rows: readonly StepRow[]): boolean =>
  mean(losses(rows).slice(-8)) < 0.75 * mean(losses(rows).slice(0, 4));

for (const head of ['hypmix', 'hyp-vit'] as const) {
  test.serial(`${head}: 20 steps in chunks have the same losses as 20 steps without`, async (t) => {
    const { root } = t.context;
    const whole = await run(root, { head, ep: 20, lr: 1e-4 });
    const chunked = await run(root, { head, ep: 20, lr: 1e-4, chunk: 5 });
    for (const [i, value] of losses(whole.rows).entries()) {
      const other = chunked.rows[i]!.loss;
      // The logits are about 10, so their rounding error is large relative to a loss near 0.
      t.true(
        Math.abs(other - value) < networkError.orderOfGradients * Math.max(1, value),
        `step ${i + 1}: ${other} and ${value}`,
      );
    }
    t.true(mean(losses(whole.rows).slice(-4)) < 0.9 * mean(losses(whole.rows).slice(0, 4)));
    t.is(memory().handles, 0);
  });
}

for (const precision of ['bfloat16', 'float16'] as const) {
  test.serial(`${precision} learns like float32`, async (t) => {
    const exact = await run(t.context.root, { ep: 12 });
    const lower = await run(t.context.root, { ep: 12, precision, loss_scale: 64 });
    const [a, b] = [exact, lower].map(({ rows }) => mean(losses(rows).slice(-4)));
    t.true(b! < 0.8 * mean(losses(lower.rows).slice(0, 3)));
    t.true(Math.abs(b! / a! - 1) < 0.1, `${b} and ${a}`);
    t.notDeepEqual(losses(lower.rows), losses(exact.rows));
    t.is('scale' in lower.rows[0]!, precision === 'float16');
  });
}

test.serial('a forced overflow skips steps, and the scaler recovers', async (t) => {
  const health: (number | null)[] = [];
  const onHealth: TrainHooks['onHealth'] = (row) => void health.push(row.skippedSteps);
  const { rows } = await run(
    t.context.root,
    { precision: 'float16', loss_scale: 2 ** 24, ep: 16 },
    { onHealth },
  );
  const skipped = rows.filter((row) => row.skipped).length;
  t.true(skipped > 3 && skipped < 12, `${skipped} steps`);
  t.true(rows.slice(0, skipped).every((row) => row.skipped && row.gradNorm === undefined));
  t.true(rows.slice(skipped).every((row) => row.skipped === undefined && row.gradNorm! > 0));
  t.is(rows.at(-1)!.scale, 2 ** (24 - skipped));
  t.is(health.at(-1), skipped);
  t.true(rows.at(-1)!.loss < rows[0]!.loss);
});

test.serial('the published order of clipping is reported and makes the step smaller', async (t) => {
  const warnings: string[] = [];
  const options: Options = { precision: 'float16', compat: 'hypmix', loss_scale: 1024, ep: 2 };
  const { rows } = await run(t.context.root, options, { onWarning: (text) => warnings.push(text) });
  t.regex(warnings.join('\n'), /compat hypmix clips the scaled gradients at 3, like the published code/);
  t.true(Math.abs(rows[0]!.gradNorm! * 1024 - 3) < 0.01, `${rows[0]!.gradNorm}`);
  const plain = await run(t.context.root, { ...options, compat: 'none' });
  t.true(plain.rows[0]!.gradNorm! > 3);
});

test.serial(
  'learnable scalars start at exactly their initial value, change, are logged and are saved',
  async (t) => {
    const { root, runs } = t.context;
    const options: Options = {
      learn: 't_e, hyp_c',
      head: 'hyp-vit',
      geometry: 'hybrid',
      hyp_c: 0.3,
      learn_lr: 0.02,
      t_e: 0.13,
    };
    const { rows, result } = await run(root, { ...options, runs, eval_ep: '[24]' });
    const { t_e, hyp_c, t_h } = rows[0]!;
    t.deepEqual([t_e, hyp_c, t_h], [0.13, 0.3, undefined]);
    const last = rows.at(-1)!;
    t.true(last.t_e !== 0.13 && Math.abs(Math.log(last.t_e! / 0.13)) > 0.02, `${last.t_e}`);
    t.true(last.hyp_c !== 0.3 && Math.abs(Math.log(last.hyp_c! / 0.3)) > 0.02, `${last.hyp_c}`);
    const { metadata } = await readSafetensors(join(result.folder!, 'model.safetensors'), { names: [] });
    const { c } = JSON.parse(metadata['horoball']!) as { c: number };
    t.true(
      c !== 0.3 && Math.abs(Math.log(c / last.hyp_c!)) < 0.05,
      'the value for the step after the last one',
    );
    t.is((await readRun(result.folder!)).snapshot!.disk.c, c);
  },
);

test.serial(
  'the gradient with respect to the curvature equals a finite difference of the loss',
  async (t) => {
    // The loss of the first step, before any update, depends on c through the head and through the distance.
    const at = async (hyp_c: number): Promise<number> => {
      const { rows } = await run(t.context.root, { head: 'hyp-vit', clip_r: null, hyp_c, ep: 1 });
      return rows[0]!.loss;
    };
    const h = 1e-3;
    const slope = ((await at(0.5 + h)) - (await at(0.5 - h))) / (2 * h);
    const trainedCurvature = async (chunk: number | null): Promise<number> => {
      const options: Options = { head: 'hyp-vit', clip_r: null, hyp_c: 0.5, ep: 2, learn: 'hyp_c', chunk };
      const { rows } = await run(t.context.root, { ...options, learn_lr: 0.01 });
      return rows[1]!.hyp_c!; // Adam's first step is -sign(gradient) times the learning rate
    };
    const expected = 0.5 * Math.exp(-0.01 * Math.sign(slope));
    for (const chunk of [null, 7])
      t.true(
        Math.abs((await trainedCurvature(chunk)) / expected - 1) < networkError.orderAfterSteps,
        `${slope}`,
      );
  },
);

test.serial('the EMA is evaluated and saved, and training continues with the weights', async (t) => {
  const { root, runs } = t.context;
  const plain = await run(root, { runs, eval_ep: '[24]' });
  const averaged = await run(root, { runs, eval_ep: '[12]+[24]', ema: 0.9 });
  t.deepEqual(
    losses(averaged.rows),
    losses(plain.rows),
    'an evaluation during training does not change the weights',
  );
  const weights = async ({ result }: { result: TrainResult }): Promise<Float32Array> => {
    const { tensors } = await readSafetensors(join(result.folder!, 'model.safetensors'));
    return tensors.get('head.weight')!.data as Float32Array;
  };
  t.notDeepEqual(await weights(averaged), await weights(plain));
});

test.serial('remembered classes are additional negatives, and the run still learns', async (t) => {
  const options: Options = { bs: 16, ep: 24 };
  const without = await run(t.context.root, options);
  const withMemory = await run(t.context.root, { ...options, memory: 8 });
  t.is(withMemory.rows[0]!.loss, without.rows[0]!.loss, 'the memory is initially empty');
  t.true(withMemory.rows[1]!.loss > without.rows[1]!.loss, 'more negatives give a larger loss');
  t.true(learns(withMemory.rows));
  const chunked = await run(t.context.root, { ...options, memory: 8, chunk: 6 });
  for (const [i, value] of losses(withMemory.rows).slice(0, 20).entries())
    t.true(Math.abs(chunked.rows[i]!.loss / value - 1) < networkError.orderAfterSteps, `step ${i + 1}`);
});

test.serial('passes layer_decay and decayed to the optimizer', async (t) => {
  const last = async (options: Options): Promise<number> =>
    losses((await run(t.context.root, { ep: 4, weight_decay: 0.5, lr: 1e-2, ...options })).rows).at(-1)!;
  const plain = await last({});
  t.not(await last({ layer_decay: 0.5 }), plain);
  t.not(await last({ decayed: 'matrices' }), plain);
});
