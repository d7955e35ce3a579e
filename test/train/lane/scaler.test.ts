import test from 'ava';
import type { Embedder } from '../../../lib/train/index.ts';
import { setThreads } from '../../../lib/train/lane/native.ts';
import { AdamW } from '../../../lib/train/lane/optim.ts';
import { GradScaler } from '../../../lib/train/lane/scaler.ts';
import { embed, flat, tinyEmbedder, tinyLoss } from '../helpers.ts';

test.before(() => setThreads(1));

const loss = tinyLoss();

/** Runs one scaled step and returns the gradient norm before and after unscaling. */
async function scaledStep(model: Embedder, optimizer: AdamW, scaler: GradScaler): Promise<number[]> {
  optimizer.zeroGrad();
  using out = embed(model, 8);
  using objective = loss.apply(out);
  scaler.backward(objective);
  const scaled = await optimizer.gradNorm();
  scaler.unscale(optimizer);
  const norm = await optimizer.gradNorm();
  scaler.step(optimizer);
  scaler.update();
  return [scaled, norm];
}

test.serial('a power-of-two scale affects only clipping before unscaling', async (t) => {
  using plain = await tinyEmbedder();
  using optimizer = new AdamW(plain, { lr: 1e-2 });
  using out = embed(plain, 8);
  using objective = loss.apply(out);
  objective.backward();
  const norm = await optimizer.gradNorm();
  optimizer.step();

  using model = await tinyEmbedder();
  using scaledOptimizer = new AdamW(model, { lr: 1e-2 });
  using scaler = new GradScaler({ scale: 1024 });
  t.deepEqual(await scaledStep(model, scaledOptimizer, scaler), [1024 * norm, norm]);
  t.deepEqual(flat(await model.state()), flat(await plain.state()));
});

test.serial('the scale grows after enough steps without overflow, also in a restored state', async (t) => {
  using model = await tinyEmbedder();
  using optimizer = new AdamW(model, { lr: 1e-3 });
  using scaler = new GradScaler({ scale: 8, interval: 3, growth: 4 });
  for (let step = 0; step < 4; step++) await scaledStep(model, optimizer, scaler);
  t.deepEqual(await scaler.state(), { scale: 32, goodSteps: 1, skipped: 0, overflowed: false });
  using other = new GradScaler({ interval: 3, growth: 4 });
  other.loadState(await scaler.state());
  for (let step = 0; step < 2; step++) await scaledStep(model, optimizer, other);
  t.is((await other.state()).scale, 128);
});

test.serial('a forced overflow does not change the weights, and the scaler recovers', async (t) => {
  using model = await tinyEmbedder({ precision: 'float16' });
  using optimizer = new AdamW(model, { lr: 1e-3 });
  using scaler = new GradScaler({ scale: 2 ** 126, backoff: 2 ** -16 });
  const before = flat(await model.state());
  await scaledStep(model, optimizer, scaler);
  const { overflowed, scale } = await scaler.state();
  t.true(overflowed);
  t.is(scale, 2 ** 110);
  t.deepEqual(flat(await model.state()), before);
  let steps = 1;
  while ((await scaler.state()).overflowed) {
    await scaledStep(model, optimizer, scaler);
    t.true(++steps < 12);
  }
  const after = await scaler.state();
  t.is(after.skipped, steps - 1);
  t.notDeepEqual(flat(await model.state()), before);
  t.true(flat(await model.state()).every(Number.isFinite));
});

test.serial('the scale and its inverse stay in the range of float32', async (t) => {
  using model = await tinyEmbedder();
  using optimizer = new AdamW(model, { lr: 0 });
  using scaler = new GradScaler({ scale: 2 ** -126, interval: 1, growth: 1e300 });
  await scaledStep(model, optimizer, scaler);
  t.is((await scaler.state()).scale, 2 ** 127);
  using falling = new GradScaler({ scale: 2 ** 127, backoff: 1e-300 });
  await scaledStep(model, optimizer, falling);
  t.true((await falling.state()).overflowed);
  t.is((await falling.state()).scale, 2 ** -126);
  for (const scale of [1e308, 1e-40]) {
    t.throws(() => new GradScaler({ scale }), { code: 'ERR_HOROBALL_RANGE' });
    t.throws(() => falling.loadState({ scale, goodSteps: 0, skipped: 0 }), { code: 'ERR_HOROBALL_RANGE' });
  }
});
