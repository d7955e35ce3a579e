import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { writeSafetensors } from '../../../lib/io/index.ts';
import type { NamedTensor } from '../../../lib/train/lane/types.ts';
import { timmNames } from '../../../lib/train/weights/formats.ts';
import { loadWeights, type WeightsTarget } from '../../../lib/train/weights/load.ts';

let folder = '';
test.before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'horoball-formats-'));
});
test.after.always(() => rm(folder, { recursive: true, force: true }));

type Tensors = Record<string, readonly [shape: readonly number[], first: number]>;
type Model = WeightsTarget['config']['model'];

/** Writes a file of tensors, each of which counts up from its first element, and returns its path. */
async function fileOf(tensors: Tensors): Promise<string> {
  const path = join(folder, `${Math.random()}.safetensors`);
  const entries = Object.entries(tensors).map(([name, [shape, first]]) => {
    const length = shape.reduce((a, b) => a * b, 1);
    return [name, { shape, data: Float32Array.from({ length }, (_, i) => first + i) }] as const;
  });
  await writeSafetensors(path, new Map(entries), { metadata: { format: 'pt' } });
  return path;
}

/** Loads the tensors into a network that has parameters of these shapes. */
async function loaded(
  tensors: Tensors,
  shapes: Record<string, readonly number[]>,
  model: Model = { imgSize: 4, patchSize: 2 },
): Promise<Record<string, NamedTensor>> {
  const result: Record<string, NamedTensor> = {};
  await loadWeights(await fileOf(tensors), {
    config: { model },
    parameters: () => Object.entries(shapes).map(([name, shape]) => ({ name, shape })),
    loadState: async (state) => {
      for (const [name, { shape, data }] of state) result[name] = { shape, data: Float32Array.from(data) };
      return { missing: [], unexpected: [] };
    },
  });
  return result;
}

const tensor = (shape: readonly number[], ...data: number[]): NamedTensor => ({
  shape,
  data: Float32Array.from(data),
});

const names: Record<string, [stored: string, timm: string | null][]> = {
  'ViT of Hugging Face': [
    ['embeddings.cls_token', 'cls_token'],
    ['embeddings.position_embeddings', 'pos_embed'],
    ['embeddings.patch_embeddings.projection.weight', 'patch_embed.proj.weight'],
    ['layer.0.attention.attention.query.weight', 'blocks.0.attn.q_proj.weight'],
    ['layer.0.attention.output.dense.bias', 'blocks.0.attn.proj.bias'],
    ['layer.11.layernorm_before.weight', 'blocks.11.norm1.weight'],
    ['layer.1.intermediate.dense.weight', 'blocks.1.mlp.fc1.weight'],
    ['layer.1.output.dense.weight', 'blocks.1.mlp.fc2.weight'],
    ['layernorm.bias', 'norm.bias'],
    ['pooler.dense.weight', null],
  ],
  'DINOv2 of Hugging Face': [
    ['embeddings.mask_token', null],
    ['embeddings.register_tokens', 'reg_token'],
    ['layer.0.layer_scale2.lambda1', 'blocks.0.ls2.gamma'],
    ['layer.0.mlp.weights_in.weight', 'blocks.0.mlp.fc1.weight'],
    ['layer.0.mlp.weights_out.weight', 'blocks.0.mlp.fc2.weight'],
  ],
  'DINOv3 of Hugging Face': [
    ['embeddings.patch_embeddings.weight', 'patch_embed.proj.weight'],
    ['layer.0.attention.o_proj.weight', 'blocks.0.attn.proj.weight'],
    ['layer.0.mlp.up_proj.weight', 'blocks.0.mlp.fc1.weight'],
    ['layer.0.mlp.down_proj.weight', 'blocks.0.mlp.fc2.weight'],
    ['rope_embeddings.inv_freq', null],
  ],
  'gated DINOv3 of Hugging Face': [
    ['embeddings.cls_token', 'cls_token'],
    ['layer.0.mlp.gate_proj.weight', 'blocks.0.mlp.fc1_g.weight'],
    ['layer.0.mlp.up_proj.weight', 'blocks.0.mlp.fc1_x.weight'],
  ],
  'CLIP of Hugging Face': [
    ['embeddings.class_embedding', 'cls_token'],
    ['embeddings.position_embedding.weight', 'pos_embed'],
    ['embeddings.position_ids', null],
    ['pre_layrnorm.weight', 'norm_pre.weight'],
    ['layers.0.self_attn.out_proj.weight', 'blocks.0.attn.proj.weight'],
    ['layers.0.layer_norm2.bias', 'blocks.0.norm2.bias'],
    ['post_layernorm.weight', 'norm.weight'],
  ],
  'SigLIP of Hugging Face': [
    ['embeddings.patch_embedding.bias', 'patch_embed.proj.bias'],
    ['head.probe', 'attn_pool.latent'],
    ['head.attention.in_proj_weight', 'attn_pool.in_proj.weight'],
    ['head.mlp.fc1.bias', 'attn_pool.mlp.fc1.bias'],
  ],
  'CLIP of OpenAI': [
    ['class_embedding', 'cls_token'],
    ['positional_embedding', 'pos_embed'],
    ['conv1.weight', 'patch_embed.proj.weight'],
    ['ln_pre.bias', 'norm_pre.bias'],
    ['transformer.resblocks.3.attn.in_proj_weight', 'blocks.3.attn.qkv.weight'],
    ['transformer.resblocks.3.attn.out_proj.bias', 'blocks.3.attn.proj.bias'],
    ['transformer.resblocks.3.ln_2.weight', 'blocks.3.norm2.weight'],
    ['transformer.resblocks.3.mlp.c_proj.weight', 'blocks.3.mlp.fc2.weight'],
    ['ln_post.weight', 'norm.weight'],
  ],
  'releases of DINOv2, DINOv3 and EVA-02': [
    ['register_tokens', 'reg_token'],
    ['storage_tokens', 'reg_token'],
    ['blocks.0.mlp.w12.weight', 'blocks.0.mlp.fc1.weight'],
    ['blocks.0.mlp.w3.bias', 'blocks.0.mlp.fc2.bias'],
    ['blocks.0.mlp.w1.weight', 'blocks.0.mlp.fc1_g.weight'],
    ['blocks.0.mlp.ffn_ln.weight', 'blocks.0.mlp.norm.weight'],
    ['blocks.0.attn.inner_attn_ln.weight', 'blocks.0.attn.norm.weight'],
    ['blocks.0.attn.qkv.bias_mask', null],
    ['rope_embed.periods', null],
  ],
  'timm, unchanged': [
    ['blocks.0.attn.qkv.weight', 'blocks.0.attn.qkv.weight'],
    ['attn_pool.latent', 'attn_pool.latent'],
    ['head.mlp.0.weight', 'head.mlp.0.weight'],
    ['rope.freqs', 'rope.freqs'],
  ],
};

for (const [what, pairs] of Object.entries(names))
  test(`converts the names of ${what}`, (t) => {
    t.deepEqual(
      timmNames(pairs.map(([stored]) => stored)),
      pairs.map(([, timm]) => timm),
    );
  });

test('only the image tower of a file with a text tower is read, although they share names', async (t) => {
  const result = await loaded(
    {
      'visual.class_embedding': [[2], 1],
      'visual.positional_embedding': [[5, 2], 10],
      'visual.conv1.weight': [[2, 3, 2, 2], 0],
      'visual.transformer.resblocks.0.ln_1.weight': [[2], 3],
      'visual.proj': [[2, 4], 0],
      positional_embedding: [[7, 2], 0],
      'transformer.resblocks.0.ln_1.weight': [[2], 9],
      logit_scale: [[1], 0],
    },
    {
      cls_token: [1, 1, 2],
      pos_embed: [1, 5, 2],
      'patch_embed.proj.weight': [2, 3, 2, 2],
      'blocks.0.norm1.weight': [2],
    },
  );
  t.deepEqual(result['cls_token'], tensor([1, 1, 2], 1, 2));
  t.deepEqual(result['pos_embed']?.shape, [1, 5, 2]);
  t.deepEqual(result['blocks.0.norm1.weight'], tensor([2], 3, 4));
});

test('joins three matrices into one, with a zero bias for keys without one', async (t) => {
  const stored = (name: string, first: number): Tensors => ({
    [`blocks.0.attn.${name}_proj.weight`]: [[1, 2], first],
  });
  const result = await loaded(
    {
      ...stored('q', 1),
      ...stored('k', 3),
      ...stored('v', 5),
      'blocks.0.attn.q_proj.bias': [[1], 7],
      'blocks.0.attn.v_proj.bias': [[1], 8],
    },
    { 'blocks.0.attn.qkv.weight': [3, 2], 'blocks.0.attn.qkv.bias': [3] },
  );
  t.deepEqual(result['blocks.0.attn.qkv.weight'], tensor([3, 2], 1, 2, 3, 4, 5, 6));
  t.deepEqual(result['blocks.0.attn.qkv.bias'], tensor([3], 7, 0, 8));
});

test('splits one matrix into three, and keys need no bias', async (t) => {
  const result = await loaded(
    { 'blocks.0.attn.qkv.weight': [[3, 2], 0], 'blocks.0.attn.qkv.bias': [[3], 1] },
    {
      'blocks.0.attn.q_proj.weight': [1, 2],
      'blocks.0.attn.k_proj.weight': [1, 2],
      'blocks.0.attn.v_proj.weight': [1, 2],
      'blocks.0.attn.q_proj.bias': [1],
      'blocks.0.attn.v_proj.bias': [1],
    },
  );
  t.deepEqual(result['blocks.0.attn.k_proj.weight'], tensor([1, 2], 2, 3));
  t.deepEqual(result['blocks.0.attn.v_proj.bias'], tensor([1], 3));
});

test('layer scales and gates get the names of the network', async (t) => {
  const result = await loaded(
    { 'blocks.0.ls1.gamma': [[2], 1], 'blocks.0.mlp.fc1.weight': [[4, 1], 1] },
    {
      'blocks.0.gamma_1': [2],
      'blocks.0.mlp.fc1_g.weight': [2, 1],
      'blocks.0.mlp.fc1_x.weight': [2, 1],
    },
  );
  t.deepEqual(result['blocks.0.gamma_1'], tensor([2], 1, 2));
  t.deepEqual(result['blocks.0.mlp.fc1_x.weight'], tensor([2, 1], 3, 4));
});

test('attention pooling is split into query, keys and values', async (t) => {
  const result = await loaded(
    {
      'embeddings.cls_token': [[1], 0],
      'head.probe': [[1, 1, 1], 5],
      'head.attention.in_proj_bias': [[3], 1],
    },
    { cls_token: [1], 'attn_pool.latent': [1, 1, 1], 'attn_pool.q.bias': [1], 'attn_pool.kv.bias': [2] },
  );
  t.deepEqual(result['attn_pool.q.bias'], tensor([1], 1));
  t.deepEqual(result['attn_pool.kv.bias'], tensor([2], 2, 3));
});

test('the position of the class token is added to the token if only patches have positions', async (t) => {
  const result = await loaded(
    { cls_token: [[1, 1, 2], 1], register_tokens: [[1, 1, 2], 0], pos_embed: [[1, 5, 2], 10] },
    { cls_token: [1, 1, 2], reg_token: [1, 1, 2], pos_embed: [1, 4, 2] },
    { imgSize: 4, patchSize: 2, regTokens: 1, noEmbedClass: true },
  );
  t.deepEqual(result['cls_token'], tensor([1, 1, 2], 11, 13));
  t.deepEqual(result['pos_embed']?.data.slice(0, 2), Float32Array.of(12, 13));
});

test('drops zero biases that the network lacks, and rejects nonzero ones', async (t) => {
  const norm = { 'blocks.0.norm1.weight': [1] };
  const weight = { 'blocks.0.norm1.weight': [[1], 1] } as const;
  const kept = await loaded({ ...weight, 'blocks.0.attn.q_proj.bias': [[1], 0] }, norm);
  t.deepEqual(Object.keys(kept), ['blocks.0.norm1.weight']);
  await t.throwsAsync(loaded({ ...weight, 'blocks.0.attn.q_proj.bias': [[1], 1] }, norm), {
    code: 'ERR_HOROBALL_WEIGHTS',
    message: /the network does not have blocks\.0\.attn\.q_proj\.bias/,
  });
});

test('searches for zero biases in at most 2^22 values', async (t) => {
  const zeros = (length: number): NamedTensor => ({ shape: [length], data: new Float32Array(length) });
  const path = join(folder, 'biases.safetensors');
  await writeSafetensors(path, {
    'blocks.0.norm1.weight': zeros(1),
    'blocks.0.attn.k_proj.bias': zeros(1),
    'blocks.0.attn.q_proj.bias': zeros(2 ** 22),
  });
  const target: WeightsTarget = {
    config: { model: { imgSize: 4, patchSize: 2 } },
    parameters: () => [{ name: 'blocks.0.norm1.weight', shape: [1] }],
    loadState: async () => ({ missing: [], unexpected: [] }),
  };
  await t.throwsAsync(loadWeights(path, target), {
    code: 'ERR_HOROBALL_WEIGHTS',
    message: /the network does not have blocks\.0\.attn\.q_proj\.bias\./,
  });
});
