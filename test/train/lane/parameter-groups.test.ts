import test from 'ava';
import type { Embedder, Parameter } from '../../../lib/train/index.ts';
import { setThreads } from '../../../lib/train/lane/native.ts';
import { AdamW } from '../../../lib/train/lane/optim.ts';
import { groupsOf } from '../../../lib/train/lane/parameter-groups.ts';
import { networkError } from '../../tolerances.ts';
import { embed, relativeError, tinyEmbedder, tinyViT } from '../helpers.ts';

test.before(() => setThreads(1));

function step(model: Embedder, optimizer: AdamW, seed: number): void {
  using out = embed(model, 4, seed);
  out.euclidean.backward(Float32Array.from({ length: 24 }, (_, i) => Math.sin(i + seed)));
  optimizer.step();
  optimizer.zeroGrad();
}

const parameter = (name: string, shape: number[]): Parameter => ({ name, shape, trainable: true });

test('lower layers have lower learning rates, and only matrices decay if requested', (t) => {
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

test.serial('the parameters of a group use its learning rate and weight decay', async (t) => {
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
    t.true(error < networkError.updates, `${name}: ${error}`);
  }
});
