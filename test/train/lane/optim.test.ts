import test from 'ava';

import type { Embedder, NamedTensor } from '../../../lib/train/index.ts';
import { setThreads } from '../../../lib/train/lane/native.ts';
import { AdamW } from '../../../lib/train/lane/optim.ts';
import { networkError } from '../../tolerances.ts';
import { embed, relativeError, tinyEmbedder, tinyViT } from '../helpers.ts';

test.before(() => setThreads(1));

const options = { lr: 1e-2, weightDecay: 0.1, betas: [0.8, 0.9], eps: 1e-6 } as const;
const flat = (state: Map<string, NamedTensor>): number[] =>
  [...state.values()].flatMap(({ data }) => [...data]);

/** Accumulates parameter gradients of some function of the backbone's features. */
function differentiate(model: Embedder, seed: number): void {
  using out = embed(model, 4, seed);
  out.body.backward(Float32Array.from({ length: 4 * tinyViT.embedDim }, (_, i) => Math.sin(i * seed)));
}

async function steps(model: Embedder, optimizer: AdamW, seeds: readonly number[]): Promise<void> {
  for (const seed of seeds) {
    optimizer.zeroGrad();
    differentiate(model, seed);
    optimizer.step();
  }
  await optimizer.gradNorm();
}

test('three steps equal the formula of AdamW', async (t) => {
  using model = await tinyEmbedder();
  using optimizer = new AdamW(model, options);
  const { lr, weightDecay, eps } = options;
  const [beta1, beta2] = options.betas;
  const weights = flat(await model.state());
  const [first, second] = [weights.map(() => 0), weights.map(() => 0)];
  for (const step of [1, 2, 3]) {
    optimizer.zeroGrad();
    differentiate(model, step);
    const gradients = await model.gradients();
    const all = model.parameters().flatMap(({ name }) => [...gradients.get(name)!.data]);
    optimizer.step();
    const hasGradient = model.parameters().flatMap(({ name, shape }) => {
      const size = shape.reduce((n, d) => n * d, 1);
      return new Array<boolean>(size).fill(!name.startsWith('head.')); // the backbone's features do not depend on the head
    });
    for (const [i, g] of all.entries()) {
      if (!hasGradient[i]) continue;
      first[i] = beta1 * first[i]! + (1 - beta1) * g;
      second[i] = beta2 * second[i]! + (1 - beta2) * g * g;
      const root = Math.sqrt(second[i]! / (1 - beta2 ** step)) + eps;
      weights[i] = weights[i]! * (1 - lr * weightDecay) - (lr * (first[i]! / (1 - beta1 ** step))) / root;
    }
  }
  const error = relativeError(flat(await model.state()), weights);
  t.true(error < networkError.order, String(error));
});

test('clipping scales to the limit, keeps smaller norms, and reports the norm before clipping', async (t) => {
  using model = await tinyEmbedder();
  using optimizer = new AdamW(model, options);
  differentiate(model, 2);
  const before = flat(await model.gradients());
  const norm = Math.hypot(...before);
  t.true(relativeError([await optimizer.gradNorm()], [norm]) < networkError.layers);
  optimizer.clipGradNorm(2 * norm);
  t.deepEqual(flat(await model.gradients()), before);
  optimizer.clipGradNorm(norm / 3);
  t.true(relativeError([await optimizer.gradNorm()], [norm]) < networkError.layers);
  const after = flat(await model.gradients());
  t.true(
    relativeError(
      after,
      before.map((g) => g / 3),
    ) < networkError.layers,
  );
});

test('a restored state continues bit for bit', async (t) => {
  using model = await tinyEmbedder();
  using optimizer = new AdamW(model, options);
  await steps(model, optimizer, [1, 2]);
  using copy = await tinyEmbedder({ seed: 99 });
  using resumed = new AdamW(copy, options);
  await copy.loadState(await model.state());
  await resumed.loadState(await optimizer.state());
  await steps(model, optimizer, [3, 4]);
  await steps(copy, resumed, [3, 4]);
  t.deepEqual(await copy.state(), await model.state());
  t.is((await optimizer.state()).get('step')!.data[0], 4);
});

test('an incomplete state is rejected, naming the missing tensor', async (t) => {
  using model = await tinyEmbedder();
  using optimizer = new AdamW(model, options);
  const state = await optimizer.state();
  state.delete('norm.weight.exp_avg_sq');
  const expected = { code: 'ERR_HOROBALL_SHAPE', message: /norm\.weight\.exp_avg_sq/ };
  await t.throwsAsync(optimizer.loadState(state), expected);
});

test('frozen parameters do not change, and a step accepts its own learning rate', async (t) => {
  using model = await tinyEmbedder({ freezePatchEmbed: true });
  using optimizer = new AdamW(model, options);
  const before = await model.state();
  differentiate(model, 1);
  optimizer.step({ lr: 0 });
  t.deepEqual(await model.state(), before);
  optimizer.step();
  const after = await model.state();
  t.deepEqual(after.get('patch_embed.proj.weight'), before.get('patch_embed.proj.weight'));
  t.notDeepEqual(after.get('norm.weight'), before.get('norm.weight'));
});

test('accepts only networks of this package, with all of their parameters', async (t) => {
  using model = await tinyEmbedder();
  const { handle } = model;
  for (const parameters of [() => [], () => 5, () => [null]])
    t.throws(() => new AdamW({ handle, parameters } as never, options), {
      code: 'ERR_HOROBALL_TYPE',
      message: /^\[adamw\] model: /,
    });
  Object.assign(model, { parameters: () => [] }); // the step failed with vector::_M_range_check
  using optimizer = new AdamW(model, options);
  differentiate(model, 1);
  optimizer.step();
  t.true((await optimizer.state()).size > 1);
});
