import test from 'ava';
import { Ema, emaDecay } from '../../lib/train/ema.ts';
import { groupsOf } from '../../lib/train/groups.ts';
import type { Embedder, NamedTensor, Parameter } from '../../lib/train/index.ts';
import { setThreads } from '../../lib/train/native.ts';
import { AdamW } from '../../lib/train/optim.ts';
import { embed, relativeError, tinyEmbedder, tinyViT } from './helpers.ts';

test.before(() => setThreads(1));

const flat = (state: ReadonlyMap<string, NamedTensor>): number[] =>
  [...state.values()].flatMap(({ data }) => [...data]);

function step(model: Embedder, optimizer: AdamW, seed: number): void {
  using out = embed(model, 4, seed);
  out.euclidean.backward(Float32Array.from({ length: 24 }, (_, i) => Math.sin(i + seed)));
  optimizer.step();
  optimizer.zeroGrad();
}

test.serial('an average follows the weights by its formula and changes places with them', async (t) => {
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
  t.true(relativeError(flat(await ema.state()), expected) < 1e-6);
  t.true(relativeError(weights, expected) > 1e-4, 'they differ');
  ema.swap();
  t.true(relativeError(flat(await model.state()), expected) < 1e-6);
  ema.swap();
  t.deepEqual(flat(await model.state()), weights);
});

test.serial('a saved average goes on to the bit', async (t) => {
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

test('the decay of an average grows with what it has seen', (t) => {
  t.is(emaDecay(0.999, 1), 2 / 11);
  t.is(emaDecay(0.999, 1e6), 0.999);
  t.is(emaDecay(0.1, 5), 0.1);
});

const parameter = (name: string, shape: number[]): Parameter => ({ name, shape, trainable: true });

test('groups: lower layers move slower, matrices alone decay where that is asked', (t) => {
  const group = groupsOf({ weightDecay: 0.1, decayed: 'matrices', layerDecay: 0.5, depth: 2 });
  t.deepEqual(group(parameter('head.weight', [6, 24])), { rate: 1, weightDecay: 0.1 });
  t.deepEqual(group(parameter('norm.weight', [24])), { rate: 1, weightDecay: 0 });
  t.deepEqual(group(parameter('blocks.1.attn.qkv.weight', [72, 24])), { rate: 0.5, weightDecay: 0.1 });
  t.deepEqual(group(parameter('blocks.0.mlp.fc1.bias', [96])), { rate: 0.25, weightDecay: 0 });
  t.deepEqual(group(parameter('pos_embed', [1, 5, 24])), { rate: 0.125, weightDecay: 0 });
  t.deepEqual(group(parameter('patch_embed.proj.weight', [24, 3, 8, 8])), { rate: 0.125, weightDecay: 0.1 });
  const all = groupsOf({ weightDecay: 0.1, decayed: 'all', layerDecay: 1, depth: 2 });
  t.deepEqual(all(parameter('pos_embed', [1, 5, 24])), { rate: 1, weightDecay: 0.1 });
});

test.serial('a group moves its parameters at its own rate and decay', async (t) => {
  const moved = async (groups?: (of: Parameter) => { rate: number; weightDecay: number }) => {
    using model = await tinyEmbedder();
    using optimizer = new AdamW(model, { lr: 1e-2, weightDecay: 0.5, ...(groups && { groups }) });
    const before = await model.state();
    step(model, optimizer, 1);
    const after = await model.state();
    return new Map(
      [...before].map(
        ([name, { data }]) => [name, data.map((x, i) => after.get(name)!.data[i]! - x)] as const,
      ),
    );
  };
  const plain = await moved();
  const group = groupsOf({ weightDecay: 0.5, decayed: 'all', layerDecay: 0.5, depth: tinyViT.depth });
  const layered = await moved(group);
  for (const [name, of] of [
    ['head.weight', 1],
    ['blocks.1.mlp.fc2.weight', 0.5],
    ['blocks.0.mlp.fc2.weight', 0.25],
    ['patch_embed.proj.weight', 0.125],
  ] as const) {
    const expected = plain.get(name)!.map((x) => of * x);
    const error = relativeError(layered.get(name)!, expected);
    t.true(error < 1e-3, `${name}: ${error}`);
  }
});
