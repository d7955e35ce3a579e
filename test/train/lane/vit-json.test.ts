import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { resolveViT } from '../../../lib/model/vit.ts';
import { Embedder } from '../../../lib/train/lane/embedder.ts';
import { Batch } from '../../../lib/train/lane/tensor.ts';
import { parseConfig } from '../../../lib/train/options/resolve.ts';
import { normalizeOptions } from '../../../lib/train/run/normalize.ts';
import { networkError } from '../../tolerances.ts';
import { relativeError } from '../helpers.ts';

const small = { img_size: 32, patch_size: 8, embed_dim: 24, depth: 2, num_heads: 3 };

test("reads timm's constructor arguments", (t) => {
  const model = resolveViT(JSON.stringify({ ...small, init_values: 1e-5, mlp_ratio: 2, mean: [0, 0, 0] }));
  t.like(model, { imgSize: 32, patchSize: 8, embedDim: 24, depth: 2, numHeads: 3, mlpRatio: 2 });
  t.like(model, { initValues: 1e-5, normEps: 1e-6, qkvBias: true, distilled: false });
  t.deepEqual([model.mean, model.std] as unknown, [
    [0, 0, 0],
    [0.5, 0.5, 0.5],
  ]);
});

test('reads the config.json of published weights, and an architecture with changed arguments', (t) => {
  const published = {
    architecture: 'vit_small_patch16_224.augreg_in21k_ft_in1k',
    num_classes: 1000,
    num_features: 384,
    global_pool: 'token',
    pretrained_cfg: { input_size: [3, 224, 224], mean: [0.5, 0.5, 0.5], std: [0.5, 0.5, 0.5], crop_pct: 0.9 },
  };
  t.deepEqual(resolveViT(JSON.stringify(published)), resolveViT('vit_small_patch16_224'));
  const changed = { architecture: 'dinov2_vits14', img_size: 224, depth: 3 };
  t.like(resolveViT(JSON.stringify(changed)), { imgSize: 224, depth: 3, patchSize: 14, initValues: 1e-5 });
});

const described: Record<string, [object, object]> = {
  'a mean of the patches is normalized after pooling': [
    { ...small, global_pool: 'avg' },
    { globalPool: 'avg', fcNorm: true, finalNorm: false },
  ],
  'a mean of the patches is normalized before pooling if fc_norm is false': [
    { ...small, global_pool: 'avg', fc_norm: false },
    { fcNorm: false, finalNorm: true },
  ],
  'no final norm': [
    { ...small, final_norm: false },
    { fcNorm: false, finalNorm: false },
  ],
  'an empty pooling means the class token': [{ ...small, global_pool: '' }, { globalPool: 'token' }],
  'no position embeddings': [{ ...small, pos_embed: 'none' }, { posEmbed: false }],
  'images that are not square': [{ ...small, img_size: [32, 48] }, { imgSize: [32, 48] }],
  'a gated MLP keeps the usual activation': [
    { ...small, mlp_layer: 'swiglu' },
    { mlpLayer: 'swiglu', actLayer: 'gelu' },
  ],
  'Eva uses mean pooling, keys without bias and axial rotary positions': [
    { ...small, swiglu_mlp: true, use_rot_pos_emb: true, ref_feat_shape: [4, 4] },
    { family: 'eva', globalPool: 'avg', attnType: 'eva', mlpLayer: 'swiglu_packed', ropeType: 'cat' },
  ],
  'a norm inside the MLP of Eva makes gate and value two matrices': [
    { ...small, swiglu_mlp: true, scale_mlp: true },
    { mlpLayer: 'swiglu', scaleMlpNorm: true, actLayer: 'silu' },
  ],
  'attention pooling of Eva uses all tokens': [
    { ...small, attn_type: 'rope', global_pool: 'map', attn_pool_num_heads: 2 },
    { attnType: 'rope', poolIncludePrefix: true, attnPoolNumHeads: 2, attnPoolMlpRatio: 4 },
  ],
  'a known model with another pooling': [
    { architecture: 'vit_base_patch16_siglip_224', global_pool: 'avg' },
    { classToken: false, globalPool: 'avg', fcNorm: true },
  ],
  "timm's DINOv3 uses mean pooling": [{ architecture: 'vit_small_patch16_dinov3' }, { globalPool: 'avg' }],
};

for (const [what, [given, expected]] of Object.entries(described))
  test(`reads arguments of timm: ${what}`, (t) => {
    t.like(resolveViT(JSON.stringify(given)), expected);
  });

const wrong: [object | string, RegExp][] = [
  ['{', /it is not JSON/],
  [{ ...small, reg_tokens: -1 }, /reg_tokens/],
  [{ ...small, global_pool: 'max' }, /global_pool/],
  [{ ...small, class_token: false }, /globalPool: expected avg or map without a class token/],
  [{ ...small, distilled: true, reg_tokens: 1 }, /distilled/],
  [{ ...small, img_size: [32, 36] }, /imgSize: expected a multiple of 8, got 36/],
  [{ ...small, patch_size: [8, 4] }, /patch_size/],
  [{ ...small, embed_dim: 18, use_rot_pos_emb: true }, /a multiple of 12 for rotary positions/],
  [{ ...small, reg_tokens: 1, use_rot_pos_emb: true }, /reg_tokens is an argument of VisionTransformer/],
  [{ architecture: 'vit_tiny', swiglu_mlp: true }, /swiglu_mlp is an argument of Eva/],
  [{ ...small, use_post_norm: true }, /use_post_norm/],
  [{ ...small, proj_bias: false }, /proj_bias/],
  [{ ...small, block_fn: 'ParallelScalingBlock' }, /block_fn is not a known argument/],
  [{ ...small, drop_path_rate: 0.1 }, /drop_path_rate/],
  [{ ...small, banana: 1 }, /banana is not a known argument; expected one of img_size/],
  [{ img_size: 32 }, /patch_size is missing/],
  [{ ...small, depth: -1 }, /depth/],
  [{ ...small, depth: 1e9 }, /depth: expected an integer from 1 to 1024/],
  [{ architecture: 'resnet50' }, /expected the name of a vision transformer, got 'resnet50'/],
  [{ ...small, num_heads: 5 }, /embedDim: expected a multiple of 5/],
];

for (const [given, message] of wrong) {
  test(`${JSON.stringify(given)} is rejected in one sentence`, (t) => {
    const text = typeof given === 'string' ? given : JSON.stringify(given);
    const error = t.throws(() => resolveViT(text), { instanceOf: RangeError, message });
    t.notRegex(error.message, /\n/);
  });
}

for (const key of ['mean', 'std'] as const) {
  test(`a configuration must have three values of ${key}`, (t) => {
    const whole = resolveViT('vit_nano');
    for (const value of [undefined, null, 0.5, [0.5, 0.5], ['0.5', '0.5', '0.5'], '0.5']) {
      const error = t.throws(() => resolveViT({ ...whole, [key]: value }), { instanceOf: TypeError });
      t.regex(error.message, new RegExp(`^\\[vit\\] ${key}: expected (three numbers|a number)`));
      t.is((error as { code?: string }).code, 'ERR_HOROBALL_TYPE');
    }
  });
}

test('numbers with which features are not finite in float32 are rejected', (t) => {
  const tiny = { img_size: 16, patch_size: 8, embed_dim: 24, depth: 2, num_heads: 3 };
  for (const [changed, message] of [
    [{ std: [1, 1e-300, 1] }, /^\[vit\] std: expected numbers that keep normalized pixels finite in float32/],
    [{ mean: [1e300, 0, 0] }, /^\[vit\] std: expected numbers/],
    [{ norm_eps: 1e300 }, /^\[vit\] normEps: expected a number from 1\.17.*e-38 to 1, got 1e\+300/],
    [{ norm_eps: 1e-300 }, /^\[vit\] normEps: expected/],
  ] as const)
    t.throws(() => resolveViT(JSON.stringify({ ...tiny, ...changed })), {
      code: 'ERR_HOROBALL_RANGE',
      message,
    });
});

test('short names resolve, and all known backbones are valid', (t) => {
  t.deepEqual(resolveViT('vit_tiny'), resolveViT('vit_tiny_patch16_224'));
  t.like(resolveViT('vit_tiny'), { embedDim: 192, depth: 12, numHeads: 3 });
  t.like(resolveViT('vit_base'), { embedDim: 768, depth: 12, numHeads: 12 });
  t.like(resolveViT('dinov2_vits14'), { embedDim: 384, patchSize: 14, imgSize: 518, initValues: 1e-5 });
});

test('a run inlines a model file and reports the weights from which it would start', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'horoball-vit-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, 'model.json');
  await writeFile(file, JSON.stringify(small, null, 2));
  const own = await normalizeOptions(parseConfig({ ds: 'folder', path: 'x', model: file }));
  t.deepEqual([own.model, own.weights], [JSON.stringify(small), null]);
  t.deepEqual(parseConfig(JSON.parse(JSON.stringify(own)) as Record<string, unknown>), own);

  const notes: string[] = [];
  const before = process.env['XDG_CACHE_HOME'];
  process.env['XDG_CACHE_HOME'] = folder;
  t.teardown(() => {
    if (before === undefined) delete process.env['XDG_CACHE_HOME'];
    else process.env['XDG_CACHE_HOME'] = before;
  });
  const published = await normalizeOptions(parseConfig({ ds: 'CUB', path: 'x' }), (text) => notes.push(text));
  t.is(published.weights, null);
  t.regex(notes.join(), /horoball weights pull dino_deitsmall16_pretrain/);
  const random = await normalizeOptions(parseConfig({ ds: 'CUB', path: 'x', bs: 18, weights: 'None' }), () =>
    t.fail(),
  );
  t.is(random.weights, null);
  await t.throwsAsync(normalizeOptions(parseConfig({ model: join(folder, 'none.json') })), {
    code: 'ERR_HOROBALL_OPTION',
    message: /none\.json \(no such file or folder\)/,
  });
});

test('a distilled backbone trains only its class token if and only if compat is hypmix', async (t) => {
  const text = JSON.stringify({ ...small, distilled: true });
  const options = { model: text, head: 'hypmix', dim: 4, clipR: null, c: 0.1, seed: 5 } as const;
  using clean = await Embedder.create(options);
  using compat = await Embedder.create({ ...options, compat: 'hypmix' });
  const images = Float32Array.from({ length: 2 * 3 * 32 * 32 }, (_, i) => Math.sin(i));
  using batch = Batch.fromNormalized(images, { count: 2, size: 32 });
  const body = async (embedder: Embedder, given: Parameters<Embedder['forward']>[1]) => {
    using outputs = embedder.forward(batch, given);
    return await outputs.body.data();
  };
  const mean = await body(clean, { train: true });
  t.deepEqual(await body(clean, { train: false }), mean);
  t.true(relativeError(await body(compat, { train: false }), mean) < networkError.order);
  const alone = await body(compat, { train: true });
  t.true(relativeError(alone, mean) > 0.01);
  t.deepEqual(await body(compat, { train: false, purpose: 'training' }), alone);
});

test('a run notes that its backbone starts from random weights', async (t) => {
  const notes = async (model: string): Promise<string[]> => {
    const messages: string[] = [];
    await normalizeOptions(parseConfig({ ds: 'CUB', model, crop: 224 }), (text) => messages.push(text));
    return messages;
  };
  const [note, ...others] = await notes('dinov2_vits14');
  t.regex(note!, /random weights, because the published weights of dinov2_vits14/);
  t.regex(
    (await notes('vit_nano_32')).join(),
    /because `npx horoball weights list` has no weights for vit_nano_32; pass a file with --weights$/,
  );
  t.deepEqual(others, []);
  t.deepEqual(await notes('vit_nano'), []);
});
