import test, { type ExecutionContext } from 'ava';
import { randomState, setThreads } from '../../../lib/train/lane/native.ts';
import type { AnyTensor } from '../../../lib/train/lane/types.ts';
import { problemOf, type SavedState } from '../../../lib/train/run/checkpoint-check.ts';
import { Learner } from '../../../lib/train/run/learner.ts';
import { takeStep, tinyConfig } from './tiny-learner.ts';

test.before(() => setThreads(1));

/** Trains a learner for two steps, and returns it with its state as stored in a checkpoint. */
async function saved(t: ExecutionContext, options: Parameters<typeof tinyConfig>[0] = {}) {
  const learner = await Learner.create(tinyConfig(options));
  t.teardown(() => learner.dispose());
  for (const step of [1, 2]) await takeStep(learner, step);
  const tensors = new Map<string, AnyTensor>(await learner.embedder.state());
  const add = (part: string, entries: Iterable<readonly [string, AnyTensor]>): void => {
    for (const [name, tensor] of entries) tensors.set(`${part}/${name}`, tensor);
  };
  if (learner.ema !== null) add('training', await learner.ema.state());
  add('optimizer', await learner.optimizer.state());
  if (learner.memory !== null) add('memory', learner.memory.state());
  const data = await randomState();
  add('random', [['cpu', { shape: [data.length], data }]]);
  const scaler = (await learner.scaler?.state()) ?? null;
  const state: SavedState = { tensors, step: 2, scaler, learnables: learner.learnables.state() };
  return { learner, state };
}

/** The state with one tensor replaced, or removed. */
function changed(state: SavedState, name: string, data: AnyTensor['data'] | null): SavedState {
  const tensors = new Map(state.tensors);
  if (data === null) tensors.delete(name);
  else tensors.set(name, { shape: [data.length], data } as AnyTensor);
  return { ...state, tensors };
}

test.serial('accepts the state of a run with any options', async (t) => {
  for (const options of [
    {},
    { ema: 0.9, memory: 4, learn: 't_e' },
    { head: 'hyp-vit', learn: 'hyp_c', geometry: 'hyperbolic' },
    { precision: 'float16' },
    { freeze: 1 },
  ] as const) {
    const { learner, state } = await saved(t, options);
    t.is(await problemOf(state, learner), null, JSON.stringify(options));
  }
});

test.serial('names each missing and each unexpected part', async (t) => {
  const { learner, state } = await saved(t, { ema: 0.9, memory: 4 });
  for (const name of state.tensors.keys())
    t.is(
      await problemOf(changed(state, name, null), learner),
      `belongs to a different network: it lacks ${name}, which this run has`,
    );
  for (const name of ['other', 'optimizer/other.exp_avg', 'memory/other'])
    t.is(
      await problemOf(changed(state, name, new Float32Array(1)), learner),
      `belongs to a different network: it has ${name}, which this run lacks`,
    );
  t.is(await problemOf(changed(state, 'random/cuda', new Uint8Array(1)), learner), null, 'another device');
});

test.serial('rejects counters that do not agree with the steps', async (t) => {
  const { learner, state } = await saved(t, { learn: 't_e' });
  t.regex((await problemOf({ ...state, step: 3 }, learner))!, /optimizer state of 2 steps instead of 3/);
  const learnables = { ...state.learnables, steps: 1 };
  t.regex((await problemOf({ ...state, learnables }, learner))!, /scalars of 1 steps instead of 2/);
  t.regex(
    (await problemOf(changed(state, 'optimizer/step', Float32Array.of(Number.NaN)), learner))!,
    /state of NaN steps/,
  );
});

test.serial('a loss scale must be a float32 number that the steps can have produced', async (t) => {
  const { learner, state } = await saved(t, { precision: 'float16' });
  const { scaler } = state;
  t.is(await problemOf({ ...state, scaler: null }, learner), 'has no loss scaler');
  for (const scale of [0, -1, 2 ** -127, 2 ** 128, Number.NaN])
    t.is(
      await problemOf({ ...state, scaler: { ...scaler!, scale } }, learner),
      `has an invalid loss scale (${scale})`,
    );
  const more = { ...scaler!, goodSteps: 3, skipped: 0 };
  t.regex(
    (await problemOf({ ...state, scaler: more }, learner))!,
    /loss-scaler counters \(3 steps since the last change, 0 skipped, 2 in total\)/,
  );
  const plain = await saved(t);
  t.is(
    await problemOf({ ...plain.state, scaler }, plain.learner),
    'has a loss scaler, which this run does not use',
  );
});

test.serial('values must be finite numbers of the type that a run writes', async (t) => {
  const { learner, state } = await saved(t, { memory: 4 });
  const { data } = state.tensors.get('cls_token')!;
  const length = data.length;
  for (const [name, value, message] of [
    ['cls_token', new Float32Array(length).fill(Number.NaN), 'has the value NaN in cls_token'],
    ['cls_token', Float64Array.from(data as Float32Array), 'has cls_token as Float64Array, not Float32Array'],
    ['memory/labels', new Float32Array(1), 'has memory/labels as Float32Array, not Int32Array'],
    ['random/cpu', new Float32Array(1), 'has random/cpu as Float32Array, not Uint8Array'],
    ['optimizer/cls_token.exp_avg', new Float32Array(length).fill(-1), null],
    [
      'optimizer/cls_token.exp_avg_sq',
      new Float32Array(length).fill(-1),
      'has the value -1 in optimizer/cls_token.exp_avg_sq',
    ],
  ] as const)
    t.is(await problemOf(changed(state, name, value), learner), message);
});
