import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { writeSafetensors } from '../../../lib/io/safetensors.ts';
import { Embedder } from '../../../lib/train/lane/embedder.ts';
import type { NamedTensor } from '../../../lib/train/lane/types.ts';
import { saveWeights } from '../../../lib/train/run/trained-weights.ts';
import { findWeights, loadWeights, type WeightsTarget } from '../../../lib/train/weights/load.ts';

const fixtures = 'test/fixtures/';

const dino = join(fixtures, 'pth/dino.pth');

let folder = '';

test.before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'horoball-weights-'));
});

test.after.always(() => rm(folder, { recursive: true, force: true }));

/** A network that accepts any weights of the given shapes and stores them. */
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

test('reads the teacher of a DINO checkpoint, without the projection head', async (t) => {
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
    'The weights were read from the entry teacher of the file.',
    "Prefixes removed from the parameter names: 'backbone.'.",
    'The head of the file is not used; the embedding head starts from random values.',
  ]);
});

test('resamples positions for larger images, and lists mismatches', async (t) => {
  const network = target({ pos_embed: [1, 10, 4], 'blocks.0.norm1.weight': [4] }, 6);
  const { missing, unexpected, notices } = await loadWeights(dino, network, { partial: true });
  t.deepEqual(network.loaded.get('pos_embed')?.shape, [1, 10, 4]);
  t.deepEqual([...network.loaded.get('pos_embed')!.data.slice(0, 4)], [0, 1, 2, 3]);
  t.deepEqual(missing, ['blocks.0.norm1.weight']);
  t.deepEqual(unexpected, ['cls_token', 'norm.weight']);
  t.deepEqual(notices.slice(-3), [
    'Position embeddings resampled from 2 x 2 to 3 x 3 patches.',
    'Not in the file, so unchanged: blocks.0.norm1.weight.',
    'In the file, but not in this network: cls_token, norm.weight.',
  ]);
});

test('rejects shapes that the network does not have before reading or allocating anything', async (t) => {
  const path = join(folder, 'shapes.safetensors');
  const network = target({ pos_embed: [1, 257, 8], 'norm.weight': [8] }, 32);
  for (const [name, shape] of [
    ['pos_embed', [1, 2, 500_000]], // resampling to 256 patches would take 1.6 GB
    ['pos_embed', [1_000_000]],
    ['norm.weight', [1_000_000]],
  ] as const) {
    const data = new Float32Array(1_000_000);
    await writeSafetensors(path, { [name]: { shape, data } });
    await t.throwsAsync(loadWeights(path, network, { partial: true }), {
      code: 'ERR_HOROBALL_SHAPE',
      message: new RegExp(`^\\[loadWeights\\] ${name}: expected shape \\[.*\\], got \\[${shape}\\]$`),
    });
  }
  t.is(network.loaded.size, 0);
});

const vit = {
  cls_token: [1, 1, 4],
  'blocks.0.norm1.weight': [4],
  'blocks.1.norm1.weight': [4],
  'norm.weight': [4],
};

/** Writes a file of tensors of ones with these shapes, and returns its path. */
async function weightsOf(shapes: Record<string, number[]>): Promise<string> {
  const path = join(folder, `${Math.random()}.safetensors`);
  const tensors = Object.entries(shapes).map(([name, shape]) => {
    return [name, { shape, data: new Float32Array(shape.reduce((a, b) => a * b, 1)).fill(1) }] as const;
  });
  await writeSafetensors(path, new Map(tensors), { metadata: { format: 'pt' } });
  return path;
}

test('rejects weights that match only a part of the backbone, naming the parameters, unless partial is set', async (t) => {
  const { 'blocks.1.norm1.weight': _, ...short } = vit;
  const cases: [Record<string, number[]>, RegExp][] = [
    [short, /the file lacks blocks\.1\.norm1\.weight\. .*--partial/],
    [{ ...vit, 'blocks.0.attn.q_bias': [4] }, /the network does not have blocks\.0\.attn\.q_bias/],
    [{ ...vit, 'blocks.1.gamma_1': [4] }, /the network does not have blocks\.1\.gamma_1/],
    [{ ...vit, 'blocks.0.ls1.gamma': [4] }, /the network does not have blocks\.0\.ls1\.gamma/],
    [{ ...vit, 'blocks.2.norm1.weight': [4] }, /the network does not have blocks\.2\.norm1\.weight/],
    [{ ...vit, reg_token: [1, 4, 4] }, /the network does not have reg_token/],
    [{ ...vit, register_tokens: [1, 4, 4] }, /the network does not have reg_token/],
    [{ ...vit, dist_token: [1, 1, 4] }, /the network does not have dist_token/],
    [{ ...vit, 'fc_norm.weight': [4] }, /the network does not have fc_norm\.weight/],
    [{ ...vit, 'patch_embed.norm.weight': [4] }, /the network does not have patch_embed\.norm\.weight/],
  ];
  for (const [shapes, message] of cases) {
    const path = await weightsOf(shapes);
    const network = target(vit);
    await t.throwsAsync(loadWeights(path, network), { code: 'ERR_HOROBALL_WEIGHTS', message });
    t.is(network.loaded.size, 0);
    const { notices } = await loadWeights(path, network, { partial: true });
    t.true(network.loaded.size >= 3);
    t.true(notices.length > 0);
  }
});

test('tensors that are not part of the backbone do not make a match partial', async (t) => {
  const others = [
    'head.weight',
    'head_dist.bias',
    'mask_token',
    'decoder.blocks.0.norm1.weight',
    'momentum_encoder.norm.weight',
    'pre_logits.fc.bias',
  ];
  const path = await weightsOf({ ...vit, ...Object.fromEntries(others.map((name) => [name, [4]])) });
  const network = target({ ...vit, 'head.weight': [3, 4] });
  t.deepEqual((await loadWeights(path, network)).missing, ['head.weight']);
  t.is(network.loaded.size, 4);
});

test('rejects an unreadable value only if the network needs it', async (t) => {
  const values = join(fixtures, 'pth/values.pth');
  t.deepEqual((await loadWeights(values, target({ weight: [2, 3] }))).missing, []);
  for (const name of ['fp8', 'sparse', 'quantized', 'meta'])
    await t.throwsAsync(loadWeights(values, target({ weight: [2, 3], [name]: [2, 3] })), {
      code: 'ERR_HOROBALL_PICKLE_REFUSED',
      message: new RegExp(
        `values\\.pth: expected a dense tensor .* for '${name}', got .*torch.*\\. Convert it`,
      ),
    });
});

test('safetensors: a classifier is dropped, a head that horoball saved is kept', async (t) => {
  const tensors = {
    'head.weight': { shape: [2], data: new Float32Array([1, 2]) },
    'norm.bias': { shape: [2], data: new Float64Array([0.5, -1]) },
  };
  const path = join(folder, 'timm.safetensors');
  await writeSafetensors(path, tensors, { metadata: { format: 'pt' } });
  const network = target({ 'head.weight': [2], 'norm.bias': [2] });
  const { missing, notices } = await loadWeights(path, network);
  t.deepEqual(missing, ['head.weight']);
  t.deepEqual(notices, [
    'The classifier of the file is not used; the embedding head starts from random values.',
  ]);
  t.deepEqual(network.loaded.get('norm.bias')?.data, new Float32Array([0.5, -1]));

  const own = join(folder, 'own.safetensors');
  await writeSafetensors(own, tensors, { metadata: { format: 'pt', horoball: '{}' } });
  t.deepEqual((await loadWeights(own, network)).missing, []);
  t.deepEqual(network.loaded.get('head.weight')?.data, new Float32Array([1, 2]));
  const backbone = await loadWeights(own, target({ 'norm.bias': [2] }));
  t.deepEqual(backbone.notices, [
    "The file's embedding head is not used. To use it, omit --model and --weights and pass the run (its folder or its best.safetensors); in code, call Embedder.load.",
  ]);
  await t.throwsAsync(loadWeights(own, target({ 'head.weight': [3], 'norm.bias': [2] })), {
    code: 'ERR_HOROBALL_SHAPE',
    message: /head\.weight: .*\. The embedding head of the file has dimension 2: pass --emb 2 \(dim: 2\)\.$/,
  });
});

test('rejects quantized weights and values that are not finite', async (t) => {
  const path = join(folder, 'values.safetensors');
  for (const [data, message] of [
    [Int8Array.of(1, -2), 'expected floating-point values of norm.bias, got I8'],
    [BigInt64Array.of(1n, 2n), 'expected floating-point values of norm.bias, got I64'],
    [Float32Array.of(1, Number.NaN), 'expected finite float32 values of norm.bias, got NaN'],
    [Float64Array.of(1, -1e300), 'expected finite float32 values of norm.bias, got -1e+300'],
  ] as const) {
    await writeSafetensors(path, { 'norm.bias': { shape: [2], data } });
    await t.throwsAsync(loadWeights(path, target({ 'norm.bias': [2] })), {
      code: 'ERR_HOROBALL_WEIGHTS',
      message: `[loadWeights] ${path}: ${message}. Use another file.`,
    });
  }
});

test('weights loaded into a network are unchanged after saving', async (t) => {
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
  const { missing, unexpected } = await loadWeights(dino, embedder, { partial: true });
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

test('a file of another network is rejected', async (t) => {
  await t.throwsAsync(loadWeights(dino, target({ 'conv1.weight': [4] })), {
    code: 'ERR_HOROBALL_WEIGHTS',
    message: /dino\.pth: expected parameters of this network, got cls_token, pos_embed, norm\.weight/,
  });
  const unsafe = join(fixtures, 'pth/evil.pth');
  await t.throwsAsync(loadWeights(unsafe, target({ weight: [2] })), {
    code: 'ERR_HOROBALL_PICKLE_REFUSED',
    message: /save model\.state_dict\(\)/,
  });
});

test('weights are found by path, or by name once they are downloaded', async (t) => {
  const path = join(folder, 'some.pth');
  await writeFile(path, '');
  t.is(await findWeights(path, folder), path);
  await t.throwsAsync(findWeights('dino_vits16', folder), {
    code: 'ERR_HOROBALL_WEIGHTS',
    message: /horoball weights pull dino_vits16/,
  });
});
