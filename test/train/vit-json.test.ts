import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { parseConfig } from '../../lib/train/config.ts';
import { Embedder } from '../../lib/train/model.ts';
import { settled } from '../../lib/train/settle.ts';
import { Batch } from '../../lib/train/tensor.ts';
import { resolveViT } from '../../lib/train/vit.ts';
import { relativeError } from './helpers.ts';

const small = { img_size: 32, patch_size: 8, embed_dim: 24, depth: 2, num_heads: 3 };

test("a model is described by timm's arguments", (t) => {
  const model = resolveViT(JSON.stringify({ ...small, init_values: 1e-5, mlp_ratio: 2, mean: [0, 0, 0] }));
  t.like(model, { imgSize: 32, patchSize: 8, embedDim: 24, depth: 2, numHeads: 3, mlpRatio: 2 });
  t.like(model, { initValues: 1e-5, normEps: 1e-6, qkvBias: true, distilled: false });
  t.deepEqual([model.mean, model.std] as unknown, [
    [0, 0, 0],
    [0.5, 0.5, 0.5],
  ]);
});

test('the config.json beside published weights is understood, and so is an architecture with changes', (t) => {
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

const wrong: [object | string, RegExp][] = [
  ['{', /it is not JSON/],
  [{ ...small, reg_tokens: 4 }, /reg_tokens/],
  [{ ...small, global_pool: 'avg' }, /global_pool/],
  [{ ...small, banana: 1 }, /banana is not known; there are img_size/],
  [{ img_size: 32 }, /patch_size is missing/],
  [{ ...small, depth: -1 }, /depth/],
  [{ architecture: 'resnet50' }, /expected one of vit_nano/],
  [{ ...small, num_heads: 5 }, /embedDim: expected a multiple of 5/],
];

for (const [given, message] of wrong) {
  test(`${JSON.stringify(given)} is refused in a sentence`, (t) => {
    const text = typeof given === 'string' ? given : JSON.stringify(given);
    const error = t.throws(() => resolveViT(text), { instanceOf: RangeError, message });
    t.notRegex(error.message, /\n/);
  });
}

for (const key of ['mean', 'std'] as const) {
  test(`a configuration is to have three numbers of ${key}`, (t) => {
    const whole = resolveViT('vit_nano');
    for (const value of [undefined, null, 0.5, [0.5, 0.5], ['0.5', '0.5', '0.5'], '0.5']) {
      const error = t.throws(() => resolveViT({ ...whole, [key]: value }), { instanceOf: TypeError });
      t.regex(error.message, new RegExp(`^\\[vit\\] ${key}: expected a `));
      t.is((error as { code?: string }).code, 'ERR_HOROBALL_TYPE');
    }
  });
}

test('short names and all known backbones', (t) => {
  t.deepEqual(resolveViT('vit_tiny'), resolveViT('vit_tiny_patch16_224'));
  t.like(resolveViT('vit_tiny'), { embedDim: 192, depth: 12, numHeads: 3 });
  t.like(resolveViT('vit_base'), { embedDim: 768, depth: 12, numHeads: 12 });
  t.like(resolveViT('dinov2_vits14'), { embedDim: 384, patchSize: 14, imgSize: 518, initValues: 1e-5 });
});

test('a run takes a model file in, and says which weights it would start from', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'horoball-vit-'));
  t.teardown(() => rm(folder, { recursive: true, force: true }));
  const file = join(folder, 'model.json');
  await writeFile(file, JSON.stringify(small, null, 2));
  const own = await settled(parseConfig({ ds: 'folder', path: 'x', model: file }));
  t.deepEqual([own.model, own.weights], [JSON.stringify(small), null]);
  t.deepEqual(parseConfig(JSON.parse(JSON.stringify(own)) as Record<string, unknown>), own);

  const notes: string[] = [];
  const before = process.env['XDG_CACHE_HOME'];
  process.env['XDG_CACHE_HOME'] = folder;
  t.teardown(() => {
    if (before === undefined) delete process.env['XDG_CACHE_HOME'];
    else process.env['XDG_CACHE_HOME'] = before;
  });
  const published = await settled(parseConfig({ ds: 'CUB', path: 'x' }), (text) => notes.push(text));
  t.is(published.weights, null);
  t.regex(notes.join(), /horoball weights pull dino_deitsmall16_pretrain/);
  const random = await settled(parseConfig({ ds: 'CUB', path: 'x', bs: 18, weights: 'None' }), () =>
    t.fail(),
  );
  t.is(random.weights, null);
  await t.throwsAsync(settled(parseConfig({ model: join(folder, 'none.json') })), {
    code: 'ERR_HOROBALL_OPTION',
    message: /none\.json \(there is no such file or folder\)/,
  });
});

test('a distilled backbone trains its class token alone under compat, and only there', async (t) => {
  const text = JSON.stringify({ ...small, distilled: true });
  const options = { model: text, head: 'hypmix', dim: 4, clipR: null, c: 0.1, seed: 5 } as const;
  using clean = await Embedder.create(options);
  using compat = await Embedder.create({ ...options, compat: 'hypmix' });
  const pictures = Float32Array.from({ length: 2 * 3 * 32 * 32 }, (_, i) => Math.sin(i));
  using batch = Batch.fromNormalised(pictures, { count: 2, size: 32 });
  const body = async (embedder: Embedder, given: Parameters<Embedder['forward']>[1]) => {
    using outputs = embedder.forward(batch, given);
    return await outputs.body.data();
  };
  const mean = await body(clean, { train: true });
  t.deepEqual(await body(clean, { train: false }), mean);
  t.true(relativeError(await body(compat, { train: false }), mean) < 1e-6);
  const alone = await body(compat, { train: true });
  t.true(relativeError(alone, mean) > 0.01);
  t.deepEqual(await body(compat, { train: false, purpose: 'training' }), alone);
});

test('a run hears that its backbone starts from random weights', async (t) => {
  const notes = async (model: string): Promise<string[]> => {
    const heard: string[] = [];
    await settled(parseConfig({ ds: 'CUB', model, crop: 224 }), (text) => heard.push(text));
    return heard;
  };
  const [note, ...others] = await notes('dinov2_vits14');
  t.regex(note!, /random weights, for none that dinov2_vits14 was published with/);
  t.deepEqual(others, []);
  t.deepEqual(await notes('vit_nano'), []);
});
