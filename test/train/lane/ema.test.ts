import test from 'ava';
import type { Embedder, NamedTensor } from '../../../lib/train/index.ts';
import { Ema, emaDecay } from '../../../lib/train/lane/ema.ts';
import { setThreads } from '../../../lib/train/lane/native.ts';
import { AdamW } from '../../../lib/train/lane/optim.ts';
import { networkError } from '../../tolerances.ts';
import { embed, relativeError, tinyEmbedder } from '../helpers.ts';

test.before(() => setThreads(1));

const flat = (state: ReadonlyMap<string, NamedTensor>): number[] =>
  [...state.values()].flatMap(({ data }) => [...data]);

function step(model: Embedder, optimizer: AdamW, seed: number): void {
  using out = embed(model, 4, seed);
  out.euclidean.backward(Float32Array.from({ length: 24 }, (_, i) => Math.sin(i + seed)));
  optimizer.step();
  optimizer.zeroGrad();
}

test.serial('an average follows its formula and can be swapped with the weights', async (t) => {
  using model = await tinyEmbedder();
  using optimizer = new AdamW(model, { lr: 1e-2 });
  using ema = new Ema(model);
  const expected = flat(await model.state());
  for (const seed of [1, 2, 3]) {
    step(model, optimizer, seed);
    ema.update(0.8);
    for (const [i, weight] of flat(await model.state()).entries())
      expected[i] = 0.8 * expected[i]! + 0.2 * weight;
  }
  const weights = flat(await model.state());
  t.true(relativeError(flat(await ema.state()), expected) < networkError.order);
  t.true(relativeError(weights, expected) > 1e-4, 'they differ');
  ema.swap();
  t.true(relativeError(flat(await model.state()), expected) < networkError.order);
  ema.swap();
  t.deepEqual(flat(await model.state()), weights);
});

test.serial('a restored average continues bit for bit', async (t) => {
  using model = await tinyEmbedder();
  using optimizer = new AdamW(model, { lr: 1e-2 });
  using one = new Ema(model);
  step(model, optimizer, 1);
  one.update(0.7);
  using other = new Ema(model);
  await other.loadState(await one.state());
  step(model, optimizer, 2);
  for (const each of [one, other]) each.update(0.7);
  t.deepEqual(await other.state(), await one.state());
  await t.throwsAsync(other.loadState(new Map()), { code: 'ERR_HOROBALL_SHAPE' });
});

test('the decay of an average increases with the number of steps', (t) => {
  t.is(emaDecay(0.999, 1), 2 / 11);
  t.is(emaDecay(0.999, 1e6), 0.999);
  t.is(emaDecay(0.1, 5), 0.1);
});
