// An exported ONNX network gives the same outputs as libtorch. Runs it in onnxruntime for Node or, if that is not
// installed, for Python.
import { readdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { readSafetensors, writeNpy } from '../../lib/io/index.ts';
import { backboneParameters } from '../../lib/model/parameters.ts';
import { resolveViT } from '../../lib/model/vit.ts';
import {
  Batch,
  createViT,
  type Embedder,
  exportOnnx,
  saveWeights,
  type ViTConfig,
} from '../../lib/train/index.ts';
import { readBackbone } from '../../lib/train/weights/backbone.ts';
import * as oracle from '../oracle.ts';
import { python } from '../python.ts';
import { networkError } from '../tolerances.ts';
import { randomImages, relativeError, tinyEmbedder, tinyViT } from '../train/helpers.ts';
import { temporary } from '../train/tiny-data.ts';

interface Runtime {
  InferenceSession: {
    create(file: string): Promise<{
      inputNames: readonly string[];
      run(feeds: Record<string, object>): Promise<Record<string, { data: Float32Array; dims: number[] }>>;
    }>;
  };
  Tensor: new (type: 'float32', data: Float32Array, dims: number[]) => object;
}

function runtime(): Runtime | undefined {
  try {
    return createRequire(import.meta.url)('onnxruntime-node') as Runtime;
  } catch {
    return undefined;
  }
}

type Outputs = Record<string, ArrayLike<number>>;

/** Returns the outputs of onnxruntime for `count` x 3 x `size` x `size` inputs; null, with a log line, without onnxruntime. */
async function onnxOutputs(
  t: ExecutionContext,
  file: string,
  planes: Float32Array,
  [count, size]: [number, number],
): Promise<Outputs | null> {
  const shape = [count, 3, size, size];
  const found = runtime();
  if (found === undefined) {
    await writeNpy(`${file}.npy`, planes, shape);
    const printed = python(t, 'onnxruntime', 'run_onnx.py', file, `${file}.npy`);
    return printed === null ? null : (JSON.parse(printed) as Outputs);
  }
  t.log('ran on onnxruntime-node');
  const session = await found.InferenceSession.create(file);
  const got = await session.run({ pixel_values: new found.Tensor('float32', planes, shape) });
  return Object.fromEntries(Object.entries(got).map(([name, { data }]) => [name, data]));
}

/** Returns the head's projection z = W f + b of each feature f, in float64. */
async function logits(model: Embedder, body: ArrayLike<number>): Promise<number[][]> {
  const state = await model.state();
  const { data, shape } = state.get('head.weight')!;
  const bias = state.get('head.bias')!.data;
  const weight = oracle.table(data, shape[1]!);
  return oracle.table(body, shape[1]!).map((f) => weight.map((w, i) => oracle.dot(w, f) + bias[i]!));
}

/** The outputs of an `Embedder` of libtorch, by their names in the ONNX file. */
const names = { pooler_output: 'body', image_embeds: 'euclidean', hyperbolic: 'hyperbolic' } as const;

/** Converts RGB bytes to the network's input. */
function planesOf(
  images: Uint8Array,
  size: number,
  { mean, std }: Pick<ViTConfig, 'mean' | 'std'>,
): Float32Array {
  const planes = new Float32Array(images.length);
  for (let i = 0; i < images.length; i++) {
    const [row, pixel, channel] = [
      Math.floor(i / (3 * size * size)),
      Math.floor(i / 3) % (size * size),
      i % 3,
    ];
    planes[(3 * row + channel) * size * size + pixel] = (images[i]! / 255 - mean[channel]!) / std[channel]!;
  }
  return planes;
}

for (const [what, options] of Object.entries({
  'tied head': { head: 'hypmix', clipR: 2.3, c: 0.1 },
  'free head, no clip, far from the origin': { head: 'hyp-vit', clipR: null, c: 3 },
  'free head, clipped, with an active projection': { head: 'hyp-vit', clipR: 2.3, c: 8 },
  'published guards with an active projection': { head: 'hyp-vit', clipR: 0.4, c: 90, compat: 'hypmix' },
  'published guards': { head: 'hyp-vit', clipR: 2.3, c: 0.1, compat: 'hypmix' },
  'distillation token and layer scale': {
    model: { ...tinyViT, distilled: true, initValues: 0.3 },
    head: 'hypmix',
    clipR: 2.3,
    c: 1,
  },
} as const)) {
  test(`${what}: the exported network computes the same outputs`, async (t) => {
    const { path, remove } = await temporary();
    using model = await tinyEmbedder(options);
    const weights = join(path, 'model.safetensors');
    await saveWeights(weights, model);
    const { file, size, bytes } = await exportOnnx(weights, join(path, 'model.onnx'));
    t.is((await readFile(file)).length, bytes);
    t.is(size, tinyViT.imgSize);
    const count = 3;
    const images = randomImages(count, 5);
    using batch = Batch.from(images, { count, size }, model.config.model.mean, model.config.model.std);
    using out = model.forward(batch, { train: false });
    const planes = planesOf(images, size, model.config.model);
    const got = await onnxOutputs(t, file, planes, [count, size]);
    for (const [name, ours] of got === null ? [] : Object.entries(names)) {
      const error = relativeError(got![name]!, await out[ours].data());
      t.true(error < networkError.network, `${name}: ${error}`);
    }
    if (got !== null) {
      const { head, clipR, c, compat } = model.config;
      const z =
        head === 'hypmix'
          ? oracle.table(got['image_embeds']!, model.config.dim)
          : await logits(model, got['pooler_output']!);
      const h = oracle.head(z, { c, clip: clipR, hypmix: compat === 'hypmix' });
      const error = relativeError(got['hyperbolic']!, h.flat());
      t.true(error < networkError.head, `the head's formula: ${error}`);
    }
    await remove();
  });
}

const backbones = 'test/fixtures/backbones';
const described = readdirSync(backbones).filter((name) => name.endsWith('.json'));
for (const name of described.map((file) => file.slice(0, -'.json'.length)))
  test(`${name}: the exported backbone equals that of timm`, async (t) => {
    const stored = join(backbones, name);
    const { tensors: reference } = await readSafetensors(`${stored}.reference.safetensors`);
    const image = reference.get('image')!;
    const [count = 0, , height = 0, side = 0] = image.shape;
    const model = resolveViT(await readFile(`${stored}.json`, 'utf8'));
    const { weights } = await readBackbone(`${stored}.safetensors`, model);
    const { path, remove } = await temporary();
    t.teardown(remove);
    const exported = exportOnnx({ name, model, weights }, join(path, 'model.onnx'));
    if (height !== side) return void (await t.throwsAsync(exported, { message: /expected a square size/ }));
    const got = await onnxOutputs(t, (await exported).file, image.data as Float32Array, [count, side]);
    if (got === null) return;
    const error = relativeError(got['pooler_output']!, reference.get('feature')!.data as Float32Array);
    t.true(error < networkError.layers, String(error));
  });

for (const [storage, least, share] of [
  ['fp16', networkError.storedHalf, 0.6],
  ['int8', networkError.storedBytes, 0.4],
] as const) {
  test(`${storage}: a smaller file gives nearly the same outputs`, async (t) => {
    const { path, remove } = await temporary();
    using model = await tinyEmbedder({ model: { ...tinyViT, embedDim: 96, depth: 3 } });
    const weights = join(path, 'model.safetensors');
    await saveWeights(weights, model);
    const whole = await exportOnnx(weights, join(path, 'model.onnx'));
    const small = await exportOnnx(weights, join(path, 'small.onnx'), { storage });
    t.true(small.bytes < share * whole.bytes, `${small.bytes} of ${whole.bytes} bytes`);
    const planes = planesOf(randomImages(3, 5), whole.size, model.config.model);
    const [want, got] = [
      await onnxOutputs(t, whole.file, planes, [3, 16]),
      await onnxOutputs(t, small.file, planes, [3, 16]),
    ];
    if (want !== null && got !== null) {
      for (const name of Object.keys(names)) {
        const error = relativeError(got[name]!, want[name]!);
        t.true(error < least && error > least / 1000, `${name}: ${error}`);
      }
    }
    await remove();
  });
}

test('a backbone without a head outputs its feature and the feature as a unit vector', async (t) => {
  const { path, remove } = await temporary();
  const model = { ...tinyViT, qkvBias: false, initValues: 0.5 };
  using vit = await createViT(model, { seed: 3 });
  const weights = join(path, 'vit.safetensors');
  await saveWeights(weights, vit);
  const resolved = resolveViT(model);
  const parameters = backboneParameters(resolved);
  t.deepEqual(
    parameters,
    vit.parameters().map(({ name, shape }) => ({ name, shape: [...shape] })),
  );
  const read = await readBackbone(weights, resolved);
  const source = { name: 'tiny', model, weights: read.weights };
  const { file, dim, c } = await exportOnnx(source, join(path, 'model.onnx'));
  t.deepEqual([dim, c], [model.embedDim, null]);
  const images = randomImages(2, 5);
  using batch = Batch.from(images, { count: 2, size: 16 }, model.mean, model.std);
  using feature = vit.forward(batch, { train: false });
  const got = await onnxOutputs(t, file, planesOf(images, 16, model), [2, 16]);
  if (got !== null) {
    const want = await feature.data();
    t.true(relativeError(got['pooler_output']!, want) < networkError.layers);
    const units = oracle.table(want, model.embedDim).flatMap((row) => row.map((x) => x / Math.hypot(...row)));
    t.true(relativeError(got['image_embeds']!, units) < networkError.layers);
    t.is(got['hyperbolic'], undefined);
  }
  await t.throwsAsync(exportOnnx('typo', file), {
    code: 'ERR_HOROBALL_RUN',
    message:
      /^\[export\] run: expected a run folder or a checkpoint in it, got \S+typo, which does not exist\./,
  });
  const error = await t.throwsAsync<Error & { code: string }>(
    exportOnnx({ ...source, weights: new Map() }, join(path, 'none.onnx')),
  );
  t.is(error.code, 'ERR_HOROBALL_WEIGHTS');
  await remove();
});

test('rejects weights that were not saved by a run, and writes nothing', async (t) => {
  const { path, remove } = await temporary();
  const { writeSafetensors } = await import('../../lib/io/index.ts');
  const weights = join(path, 'other.safetensors');
  await writeSafetensors(weights, new Map([['x', { shape: [1], data: new Float32Array(1) }]]));
  const error = await t.throwsAsync(exportOnnx(weights, join(path, 'model.onnx')));
  t.is((error as Error & { code: string }).code, 'ERR_HOROBALL_WEIGHTS');
  await t.throwsAsync(readFile(join(path, 'model.onnx')));
  await remove();
});

test('validates the description of the network in a weight file', async (t) => {
  const { path, remove } = await temporary();
  const { writeSafetensors } = await import('../../lib/io/index.ts');
  const weights = join(path, 'forged.safetensors');
  const model = { ...tinyViT };
  const sound = { model, head: 'hypmix', dim: 6, clipR: 2.3, c: 0.1 };
  const lies: unknown[] = [
    null,
    [],
    {},
    { ...sound, c: -1 },
    { ...sound, c: 5e-324 },
    { ...sound, c: 1e37 },
    { ...sound, clipR: 5e-324 },
    { ...sound, model: { ...model, std: [1e-300, 1, 1] } },
    { ...sound, model: { ...model, normEps: 1e300 } },
    { ...sound, head: 'other' },
    { ...sound, dim: '6' },
    { ...sound, model: null },
    { ...sound, model: { ...model, patchSize: 0 } },
    { ...sound, model: { ...model, mean: 'x' } },
  ];
  for (const lie of lies) {
    const metadata = { horoball: JSON.stringify(lie) };
    await writeSafetensors(weights, { x: { shape: [1], data: new Float32Array(1) } }, { metadata });
    const error = await t.throwsAsync<Error & { code?: string }>(
      exportOnnx(weights, join(path, 'model.onnx')),
    );
    t.is(error?.code, 'ERR_HOROBALL_FORMAT', JSON.stringify(lie));
  }
  const metadata = { horoball: JSON.stringify(sound) };
  for (const [data, problem] of [
    [new BigInt64Array(24), 'element type I64'],
    [new Float32Array(24).fill(Number.NaN), 'value NaN'],
    [new Float64Array(24).fill(1e39), 'value 1e\\+39'],
  ] as const) {
    await writeSafetensors(weights, { cls_token: { shape: [1, 1, 24], data } }, { metadata });
    await t.throwsAsync(exportOnnx(weights, join(path, 'model.onnx')), {
      code: 'ERR_HOROBALL_FORMAT',
      message: new RegExp(`cls_token has the ${problem}$`),
    });
  }
  await remove();
});
