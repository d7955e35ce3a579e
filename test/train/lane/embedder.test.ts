import test from 'ava';
import { resolveViT } from '../../../lib/model/vit.ts';
import {
  Ema,
  type Embedder,
  type NamedTensor,
  type Parameter,
  publishedDefaults,
  shapesDefaults,
  vitConfigs,
} from '../../../lib/train/index.ts';
import { native, setThreads } from '../../../lib/train/lane/native.ts';
import * as oracle from '../../oracle.ts';
import { networkError } from '../../tolerances.ts';
import { embed, random, randomImages, relativeError, tinyBatch, tinyEmbedder, tinyViT } from '../helpers.ts';

test.before(() => setThreads(1));

const values = (state: Map<string, NamedTensor>, name: string): Float32Array => state.get(name)!.data;

const norm = (x: ArrayLike<number>): number => Math.hypot(...Array.from(x));

const standardDeviation = (x: ArrayLike<number>): number => norm(x) / Math.sqrt(x.length);

function rowsOf(data: Float32Array, width: number): number[][] {
  return Array.from({ length: data.length / width }, (_, i) => [
    ...data.subarray(i * width, (i + 1) * width),
  ]);
}

/** Returns the head's projection z = W f + b of each feature f, in float64. */
async function project(model: Embedder, body: Float32Array): Promise<number[][]> {
  const state = await model.state();
  const weight = rowsOf(values(state, 'head.weight'), tinyViT.embedDim);
  const bias = values(state, 'head.bias');
  return rowsOf(body, tinyViT.embedDim).map((f) =>
    weight.map((w, i) => bias[i]! + w.reduce((sum, x, k) => sum + x * f[k]!, 0)),
  );
}

for (const [head, c, clipR, scale] of [
  ['hypmix', 0.1, 2.3, 1],
  ['hypmix', 20, null, 1],
  ['hypmix', 1, 0.5, 1],
  ['hyp-vit', 0.1, 2.3, 1],
  ['hyp-vit', 0.1, 2.3, 40],
  ['hyp-vit', 3, null, 40],
] as const) {
  test(`${head} at c = ${c}, clip ${clipR}, weights x ${scale}: both outputs equal the formula`, async (t) => {
    using model = await tinyEmbedder({ head, c, clipR });
    const weight = (await model.state()).get('head.weight')!;
    const scaled = { shape: weight.shape, data: weight.data.map((x) => scale * x) };
    await model.loadState(new Map([['head.weight', scaled]]));
    const out = embed(model, 5);
    const z = await project(model, await out.body.data());
    const e = z.map((row) => row.map((x) => x / norm(row)));
    const h = oracle.head(head === 'hypmix' ? e : z, { c, clip: clipR });
    t.true(relativeError(await out.euclidean.data(), e.flat()) < networkError.layers);
    t.true(relativeError(await out.hyperbolic.data(), h.flat()) < networkError.layers);
  });
}

test('initial weights are distributed as in timm, the head is orthogonal, and the seed determines the model', async (t) => {
  const width = 96;
  const options = { model: { ...tinyViT, embedDim: width, distilled: true }, dim: 32 };
  using model = await tinyEmbedder(options);
  const state = await model.state();
  const near = (name: string, expected: number, tolerance: number): void => {
    const got = standardDeviation(values(state, name));
    t.true(Math.abs(got / expected - 1) < tolerance, `${name}: ${got}`);
  };
  near('blocks.1.attn.qkv.weight', 0.02, 0.05);
  near('blocks.0.mlp.fc2.weight', 0.02, 0.05);
  near('pos_embed', 0.02, 0.1);
  near('dist_token', 0.02, 0.3);
  near('cls_token', 1e-6, 0.3);
  near('patch_embed.proj.weight', 1 / Math.sqrt(3 * 3 * 64), 0.05);
  for (const name of ['blocks.0.attn.qkv.bias', 'blocks.1.mlp.fc1.bias', 'head.bias', 'norm.bias']) {
    t.is(norm(values(state, name)), 0, name);
  }
  t.true(values(state, 'blocks.0.norm1.weight').every((x) => x === 1));
  const rows = rowsOf(values(state, 'head.weight'), width);
  for (const [i, a] of rows.entries()) {
    for (const [j, b] of rows.entries()) {
      const product = a.reduce((sum, x, k) => sum + x * b[k]!, 0);
      t.true(Math.abs(product - Number(i === j)) < networkError.unit);
    }
  }
  using same = await tinyEmbedder(options);
  using other = await tinyEmbedder({ ...options, seed: 6 });
  t.deepEqual(await same.state(), state);
  t.notDeepEqual((await other.state()).get('head.weight'), state.get('head.weight'));
});

test('frozen parameters have no gradient and do not count as trainable', async (t) => {
  using model = await tinyEmbedder({ freezePatchEmbed: true, freezeBlocks: 1 });
  const frozen = model.parameters().filter((p) => !p.trainable);
  t.true(frozen.length > 2);
  t.true(frozen.every(({ name }) => name.startsWith('patch_embed.') || name.startsWith('blocks.0.')));
  embed(model, 2).body.backward(new Float32Array(2 * tinyViT.embedDim).fill(1));
  const gradients = await model.gradients();
  t.false(gradients.has('patch_embed.proj.weight'));
  t.true(norm(gradients.get('blocks.1.mlp.fc1.weight')!.data) > 0);
});

test('layer scale adds parameters; at 0 the blocks have no effect', async (t) => {
  using scaled = await tinyEmbedder({ model: { ...tinyViT, initValues: 0 } });
  using shallow = await tinyEmbedder({ model: { ...tinyViT, depth: 1, initValues: 0 } });
  t.true(scaled.parameters().some(({ name }) => name === 'blocks.1.ls2.gamma'));
  const state = await scaled.state();
  await shallow.loadState(state);
  t.deepEqual(await embed(scaled, 2).body.data(), await embed(shallow, 2).body.data());
});

test('a state of the wrong shape changes nothing; missing and unexpected names are reported', async (t) => {
  using model = await tinyEmbedder();
  const before = await model.state();
  const wrong = new Map(before);
  wrong.set('cls_token', { shape: [1, 1, 24], data: new Float32Array(24).fill(9) });
  wrong.set('norm.weight', { shape: [23], data: new Float32Array(23) });
  await t.throwsAsync(model.loadState(wrong), { code: 'ERR_HOROBALL_SHAPE', message: /norm\.weight/ });
  t.deepEqual(await model.state(), before);
  const part = new Map([['fc.weight', { shape: [1], data: new Float32Array(1) }]]);
  const { missing, unexpected } = await model.loadState(part);
  t.is(missing.length, model.parameters().length);
  t.deepEqual(unexpected, ['fc.weight']);
});

test('options out of range are rejected before anything is created', async (t) => {
  const range = { code: 'ERR_HOROBALL_RANGE' };
  await t.throwsAsync(tinyEmbedder({ c: 0 }), range);
  await t.throwsAsync(tinyEmbedder({ dim: 0 }), range);
  await t.throwsAsync(tinyEmbedder({ clipR: -1 }), range);
  await t.throwsAsync(tinyEmbedder({ freezeBlocks: 3 }), range);
  await t.throwsAsync(tinyEmbedder({ model: 'resnet50' }), { ...range, message: /vision transformer/ });
  await t.throwsAsync(tinyEmbedder({ model: { ...tinyViT, imgSize: 17 } }), range);
  await t.throwsAsync(tinyEmbedder({ model: { ...tinyViT, numHeads: 5 } }), range);
  using model = await tinyEmbedder();
  const { Batch } = await import('../../../lib/train/lane/tensor.ts');
  const big = Batch.from(randomImages(1, 1, 24), { count: 1, size: 24 }, tinyViT.mean, tinyViT.std);
  t.throws(() => model.forward(big), { code: 'ERR_HOROBALL_SHAPE', message: /16 x 16.*24 x 24/ });
  t.throws(() => Batch.from(new Uint8Array(5), { count: 1, size: 16 }, tinyViT.mean, tinyViT.std), {
    code: 'ERR_HOROBALL_SHAPE',
  });
});

test('the known backbones have the published shapes', (t) => {
  t.is(vitConfigs.vit_small_patch16_224.embedDim, 384);
  t.true(vitConfigs.deit_small_distilled_patch16_224.distilled);
  t.deepEqual(vitConfigs.dino_vits16.mean, [0.485, 0.456, 0.406]);
});

test('the known backbones and defaults cannot be changed, and a configuration is copied', async (t) => {
  const { vit_nano } = vitConfigs as unknown as Record<'vit_nano', { embedDim: number; mean: number[] }>;
  t.throws(() => (vit_nano.embedDim = 1), { instanceOf: TypeError });
  t.throws(() => (vit_nano.mean[0] = 1), { instanceOf: TypeError });
  for (const defaults of [publishedDefaults, shapesDefaults])
    t.throws(() => Object.assign(defaults, { lr: 1 }), { instanceOf: TypeError });
  const mean: [number, number, number] = [0.5, 0.5, 0.5];
  const config = resolveViT({ ...vitConfigs.vit_nano, mean });
  mean[0] = Number.NaN;
  t.deepEqual(config.mean, [0.5, 0.5, 0.5]);
});

test('a caller can change neither the order of the parameters nor the configuration', async (t) => {
  using model = await tinyEmbedder();
  const state = await model.state();
  const list = model.parameters() as Parameter[];
  list.sort((a, b) => (a.name < b.name ? 1 : -1)).pop();
  using average = new Ema(model);
  for (const [name, { shape, data }] of await average.state())
    t.deepEqual({ shape, data }, state.get(name)!, name);
  const { mean } = model.config.model;
  for (const [target, key] of [
    [list[0], 'name'],
    [list[0]!.shape, 0],
    [model.config, 'c'],
    [model.config.model, 'depth'],
    [mean, 0],
  ])
    t.false(Reflect.set(target as object, key as string, 9), String(key));
});

test('embedding without a graph gives the same values', async (t) => {
  using model = await tinyEmbedder();
  using batch = tinyBatch(3, 1 + Math.floor(100 * random(4)()));
  const [a, b] = [model.forward(batch), model.forward(batch, { train: false })];
  t.deepEqual(await a.hyperbolic.data(), await b.hyperbolic.data());
  b.body.backward(new Float32Array(3 * tinyViT.embedDim));
  await t.throwsAsync(b.body.data(), { code: 'ERR_HOROBALL_TORCH', message: /^\[tensor\.backward\]/ });
});

test('the addon itself rejects unknown option names', async (t) => {
  using model = await tinyEmbedder();
  const valid = { ...model.config, toBall: [] };
  const create = (options: object) => native().embedder({ ...valid, ...options });
  native().dispose(create({}));
  const code = 'ERR_HOROBALL_TYPE';
  for (const name of [
    ...['family', 'attnType', 'globalPool', 'normLayer', 'actLayer', 'mlpLayer', 'ropeType'],
    'ropeGridIndexing',
  ])
    for (const value of ['other', '', null])
      t.throws(() => create({ model: { ...valid.model, [name]: value } }), {
        code,
        message: new RegExp(name),
      });
  for (const name of ['head', 'precision', 'compat'])
    t.throws(() => create({ [name]: 'other' }), { code, message: new RegExp(name) });
});
