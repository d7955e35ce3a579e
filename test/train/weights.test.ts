import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { PickleDict, type PickleValue } from '../../lib/io/pickle.ts';
import { writeSafetensors } from '../../lib/io/safetensors.ts';
import { saveWeights } from '../../lib/train/checkpoint.ts';
import { Embedder } from '../../lib/train/model.ts';
import type { NamedTensor } from '../../lib/train/tensor.ts';
import { vitConfigs } from '../../lib/train/vit.ts';
import { resamplePositions } from '../../lib/train/weights/interpolate.ts';
import { findWeights, loadWeights, type WeightsTarget } from '../../lib/train/weights/load.ts';
import { findStateDict, plainNames } from '../../lib/train/weights/names.ts';
import { findPublished, publishedWeights } from '../../lib/train/weights/registry.ts';

const fixtures = 'test/fixtures/';

let folder = '';
test.before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'horoball-weights-'));
});
test.after.always(() => rm(folder, { recursive: true, force: true }));

interface PositionCase {
  prefix: number;
  grid: [number, number];
  shape: number[];
  given: number[];
  wantedShape: number[];
  wanted: number[];
}

test("positions are resampled as by torch's antialiased bicubic interpolation", async (t) => {
  const cases = JSON.parse(
    await readFile(join(fixtures, 'weights/positions.json'), 'utf8'),
  ) as PositionCase[];
  t.true(cases.length >= 6);
  for (const { prefix, grid, shape, given, wantedShape, wanted } of cases) {
    const result = resamplePositions({ shape, data: new Float32Array(given) }, prefix, grid);
    t.deepEqual(result.shape, wantedShape);
    t.is(result.data.length, wanted.length);
    // Half a unit of float32 in numbers below 4, and the ten digits of the fixture.
    result.data.forEach((value, i) => {
      if (Math.abs(value - wanted[i]!) > 1.3e-7) t.fail(`[${grid}] at ${i}: ${value}, not ${wanted[i]}`);
    });
  }
});

test('positions of the right grid stay as they are, and odd ones are refused', (t) => {
  const positions = { shape: [1, 5, 2], data: new Float32Array(10) };
  t.is(resamplePositions(positions, 1, [2, 2]), positions);
  t.throws(() => resamplePositions(positions, 2, [2, 2]), {
    code: 'ERR_HOROBALL_WEIGHTS',
    message: /shape \[1,5,2\], where \[1, 2 \+ n \* n, width\] is wanted/,
  });
  t.throws(() => resamplePositions({ shape: [5, 2], data: new Float32Array(10) }, 1, [2, 2]), {
    code: 'ERR_HOROBALL_WEIGHTS',
  });
  t.throws(() => resamplePositions({ shape: [1, 1, 2], data: new Float32Array(2) }, 1, [2, 2]), {
    code: 'ERR_HOROBALL_WEIGHTS',
  });
});

test('prefixes are stripped, in any order and number, and heads dropped', (t) => {
  const stored = [
    'module.model.cls_token',
    'backbone.module.norm.weight',
    '_orig_mod.blocks.0.attn.qkv.weight',
    'head.weight',
    'module.head_dist.bias',
    'fc_norm.weight',
    'pre_logits.fc.weight',
    'headline',
  ];
  const { names, stripped, dropped } = plainNames(stored, false);
  t.deepEqual(
    [...names],
    [
      ['cls_token', 'module.model.cls_token'],
      ['norm.weight', 'backbone.module.norm.weight'],
      ['blocks.0.attn.qkv.weight', '_orig_mod.blocks.0.attn.qkv.weight'],
      ['headline', 'headline'],
    ],
  );
  t.deepEqual(stripped.toSorted(), ['_orig_mod.', 'backbone.', 'model.', 'module.']);
  t.deepEqual(dropped, ['head.weight', 'head_dist.bias', 'fc_norm.weight', 'pre_logits.fc.weight']);
  t.true(plainNames(stored, true).names.has('head.weight'));
  t.throws(() => plainNames(['module.a', 'a'], false), {
    code: 'ERR_HOROBALL_WEIGHTS',
    message: "'module.a' and 'a' are both 'a' without their prefixes",
  });
});

test('a file without weights says what it holds instead', (t) => {
  const dict = (entries: [string, PickleValue][]): PickleDict => new PickleDict(entries);
  t.throws(() => findStateDict(dict([['epoch', 3]])), { message: /no weights.*: epoch/ });
  t.throws(() => findStateDict([1, 2]), { code: 'ERR_HOROBALL_WEIGHTS', message: /no dictionary/ });
  let deep = dict([]);
  for (let i = 0; i < 20; i++) deep = dict([['model', deep]]);
  t.throws(() => findStateDict(deep), { code: 'ERR_HOROBALL_WEIGHTS' });
});

/** A network that takes any weights of the given shapes, and remembers them. */
function target(
  shapes: Record<string, number[]>,
  imgSize = 4,
): WeightsTarget & { loaded: Map<string, NamedTensor> } {
  const loaded = new Map<string, NamedTensor>();
  const parameters = Object.entries(shapes).map(([name, shape]) => ({ name, shape }));
  return {
    loaded,
    config: { model: { imgSize, patchSize: 2, distilled: false } },
    parameters: () => parameters,
    loadState: async (state) => {
      for (const [name, tensor] of state) loaded.set(name, tensor);
      return { missing: Object.keys(shapes).filter((name) => !state.has(name)), unexpected: [] };
    },
  };
}

const dino = join(fixtures, 'pth/dino.pth');

test('a DINO checkpoint gives its teacher, without the projection head', async (t) => {
  const network = target({
    cls_token: [1, 1, 4],
    pos_embed: [1, 5, 4],
    'norm.weight': [4],
    'head.weight': [3, 4],
  });
  const { missing, unexpected, notices } = await loadWeights(dino, network);
  t.deepEqual(network.loaded.get('cls_token'), { shape: [1, 1, 4], data: new Float32Array(4).fill(0.5) });
  t.deepEqual(network.loaded.get('norm.weight'), { shape: [4], data: new Float32Array(4).fill(1) });
  t.deepEqual(missing, ['head.weight']);
  t.deepEqual(unexpected, []);
  t.deepEqual(notices, [
    "Taken from the file's entry teacher.",
    'Stripped from the names: backbone.',
    "Dropped with the file's own head: head.mlp.0.weight, head.last_layer.weight_g.",
    'Not in the file, so left as they were: head.weight.',
  ]);
});

test('a network for larger pictures gets resampled positions, and what does not fit is listed', async (t) => {
  const network = target({ pos_embed: [1, 10, 4], 'blocks.0.norm1.weight': [4] }, 6);
  const { missing, unexpected, notices } = await loadWeights(dino, network);
  t.deepEqual(network.loaded.get('pos_embed')?.shape, [1, 10, 4]);
  t.deepEqual([...network.loaded.get('pos_embed')!.data.slice(0, 4)], [0, 1, 2, 3]);
  t.deepEqual(missing, ['blocks.0.norm1.weight']);
  t.deepEqual(unexpected, ['cls_token', 'norm.weight']);
  t.deepEqual(notices.slice(-3), [
    'Positions resampled from 2 x 2 to 3 x 3 patches.',
    'Not in the file, so left as they were: blocks.0.norm1.weight.',
    'In the file, but not of this network: cls_token, norm.weight.',
  ]);
});

test('safetensors: a classifier is dropped, a head that horoball saved is kept', async (t) => {
  const tensors = {
    'head.weight': { shape: [2], data: new Float32Array([1, 2]) },
    'norm.bias': { shape: [2], data: new Float64Array([0.5, -1]) },
  };
  const path = join(folder, 'timm.safetensors');
  await writeSafetensors(path, tensors, { metadata: { format: 'pt' } });
  const network = target({ 'head.weight': [2], 'norm.bias': [2] });
  t.deepEqual((await loadWeights(path, network)).missing, ['head.weight']);
  t.deepEqual(network.loaded.get('norm.bias')?.data, new Float32Array([0.5, -1]));

  const own = join(folder, 'own.safetensors');
  await writeSafetensors(own, tensors, { metadata: { format: 'pt', horoball: '{}' } });
  t.deepEqual((await loadWeights(own, network)).missing, []);
  t.deepEqual(network.loaded.get('head.weight')?.data, new Float32Array([1, 2]));
});

test('a network of the training layer takes weights, and gives the same back after saving', async (t) => {
  const model = {
    imgSize: 6,
    patchSize: 2,
    embedDim: 4,
    depth: 1,
    numHeads: 2,
    mean: [0.5, 0.5, 0.5],
    std: [0.5, 0.5, 0.5],
  } as const;
  const options = { model, head: 'hypmix', dim: 3, clipR: null, c: 0.1 } as const;
  using embedder = await Embedder.create({ ...options, seed: 1 });
  const { missing, unexpected } = await loadWeights(dino, embedder);
  t.true(missing.includes('blocks.0.attn.qkv.weight') && missing.includes('head.weight'));
  t.deepEqual(unexpected, []);
  const state = await embedder.state();
  t.deepEqual([...state.get('cls_token')!.data], [0.5, 0.5, 0.5, 0.5]);
  t.deepEqual(state.get('pos_embed')!.shape, [1, 10, 4]);

  const path = join(folder, 'saved.safetensors');
  await saveWeights(path, embedder);
  using other = await Embedder.create({ ...options, seed: 2 });
  t.deepEqual(await loadWeights(path, other), { missing: [], unexpected: [], notices: [] });
  t.deepEqual(await other.state(), state);
});

test('a file of another network is refused', async (t) => {
  await t.throwsAsync(loadWeights(dino, target({ 'conv1.weight': [4] })), {
    code: 'ERR_HOROBALL_WEIGHTS',
    message: /dino\.pth: none of its parameters.*it has cls_token, pos_embed, norm\.weight/,
  });
  const unsafe = join(fixtures, 'pth/evil.pth');
  await t.throwsAsync(loadWeights(unsafe, target({ weight: [2] })), { code: 'ERR_HOROBALL_PICKLE_REFUSED' });
});

test('published weights: known by their own name or by their model, at public URLs', (t) => {
  t.deepEqual(
    publishedWeights.map(({ url }) => url),
    [
      'https://huggingface.co/timm/vit_small_patch16_224.augreg_in21k_ft_in1k/resolve/main/model.safetensors',
      'https://huggingface.co/timm/deit_small_distilled_patch16_224.fb_in1k/resolve/main/model.safetensors',
      'https://dl.fbaipublicfiles.com/dino/dino_deitsmall16_pretrain/dino_deitsmall16_pretrain.pth',
    ],
  );
  for (const { name, model } of publishedWeights) {
    t.true(Object.hasOwn(vitConfigs, model));
    t.is(findPublished(name)?.name, name);
    t.is(findPublished(model)?.name, name);
  }
  t.is(findPublished('resnet50'), undefined);
});

test('weights are found by path, or by name once they were pulled', async (t) => {
  const path = join(folder, 'some.pth');
  await writeFile(path, '');
  t.is(await findWeights(path, folder), path);
  await t.throwsAsync(findWeights('dino_vits16', folder), {
    code: 'ERR_HOROBALL_WEIGHTS',
    message: /horoball weights pull dino_vits16/,
  });
});
