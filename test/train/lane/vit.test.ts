import test from 'ava';

import { readSafetensors, type SafeTensor } from '../../../lib/io/safetensors.ts';
import { Embedder } from '../../../lib/train/lane/embedder.ts';
import { Batch } from '../../../lib/train/lane/tensor.ts';
import type { ViTConfig } from '../../../lib/train/lane/types.ts';
import { networkError } from '../../tolerances.ts';
import { relativeError } from '../helpers.ts';

// Outputs and gradients computed by timm, whose version is in the metadata of the file.
const reference = await readSafetensors('test/fixtures/vit.safetensors');

interface TimmConfig {
  img_size: number;
  patch_size: number;
  embed_dim: number;
  depth: number;
  num_heads: number;
  norm_eps: number;
}

function configOf(model: string): ViTConfig {
  const all = JSON.parse(reference.metadata['info']!) as Record<string, TimmConfig>;
  const { img_size, patch_size, embed_dim, depth, num_heads, norm_eps } = all[model]!;
  return {
    imgSize: img_size,
    patchSize: patch_size,
    embedDim: embed_dim,
    depth,
    numHeads: num_heads,
    normEps: norm_eps,
    distilled: model === 'deit_distilled',
    mean: [0.5, 0.5, 0.5],
    std: [0.5, 0.5, 0.5],
  };
}

function entries(prefix: string): Map<string, SafeTensor> {
  const found = [...reference.tensors].filter(([name]) => name.startsWith(prefix));
  return new Map(found.map(([name, tensor]) => [name.slice(prefix.length), tensor]));
}

const values = (name: string): Float32Array => reference.tensors.get(name)!.data as Float32Array;

/** Removes the keys' part of the gradient of a qkv bias: the softmax cancels their bias, so this part is rounding noise. */
function withoutKeyBias(name: string, gradient: Float32Array): Float32Array {
  if (!name.endsWith('qkv.bias')) return gradient;
  const width = gradient.length / 3;
  return Float32Array.from([...gradient.subarray(0, width), ...gradient.subarray(2 * width)]);
}

for (const model of ['vit', 'deit_distilled']) {
  test(`${model}: output and every gradient agree with timm`, async (t) => {
    const vit = await Embedder.create({
      model: configOf(model),
      head: 'hypmix',
      dim: 8,
      clipR: 2.3,
      c: 0.1,
      seed: 3,
    });
    const report = await vit.loadState(entries(`${model}.state.`));
    t.deepEqual(report, { missing: ['head.weight', 'head.bias'], unexpected: [] });

    const batch = Batch.fromNormalized(values(`${model}.input`), { count: 3, size: 32 });
    const out = vit.forward(batch);
    out.body.backward(values(`${model}.cot`));
    const error = relativeError(await out.body.data(), values(`${model}.output`));
    t.true(error < networkError.network, `output: ${error}`);

    const gradients = await vit.gradients();
    const expected = entries(`${model}.grad.`);
    t.deepEqual(
      [...gradients.keys()].filter((name) => !name.startsWith('head.')).sort(),
      [...expected.keys()].sort(),
    );
    for (const [name, { data }] of expected) {
      const [got, wanted] = [gradients.get(name)!.data, data as Float32Array];
      const distance = relativeError(withoutKeyBias(name, got), withoutKeyBias(name, wanted));
      t.true(distance < networkError.network, `${name}: ${distance}`);
    }
    for (const each of [batch, out, vit]) each.dispose();
  });
}
