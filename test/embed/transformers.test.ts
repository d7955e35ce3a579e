// transformers.js loads an exported folder, offline, and computes the same embeddings. Its settings are global, so these tests
// run one after the other.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import test from 'ava';
import sharp from 'sharp';
import { loadEmbedder } from '../../lib/embed/index.ts';
import { exportOnnxFolder } from '../../lib/onnx/folder.ts';
import { dtypes, storages } from '../../lib/onnx/storage.ts';
import { random } from '../../lib/random.ts';
import { python } from '../python.ts';
import { networkError } from '../tolerances.ts';
import { relativeError } from '../train/helpers.ts';
import { temporary } from '../train/tiny-data.ts';
import { backbone, writeRun } from './network.ts';

interface Tensor {
  readonly data: Float32Array;
  readonly dims: readonly number[];
}

/** Types of the parts of transformers.js that the tests use. */
interface Transformers {
  env: { localModelPath: string; allowRemoteModels: boolean; version: string };
  RawImage: new (data: Uint8Array, width: number, height: number, channels: number) => object;
  pipeline(
    task: 'image-feature-extraction',
    model: string,
    options: object,
  ): Promise<
    ((images: object[], options?: object) => Promise<Tensor>) & {
      processor(images: object[]): Promise<object>;
      model(inputs: object): Promise<Record<string, Tensor>>;
      dispose(): Promise<void>;
    }
  >;
}

/** Imports transformers.js; returns null if it is not installed. */
async function load(): Promise<Transformers | null> {
  const name = '@huggingface/transformers';
  return (await import(name).catch(() => null)) as Transformers | null;
}

/** Images that the transform does not resize, and whose crop margins are whole pixels. */
function images(side: number): { data: Uint8Array; width: number; height: number; channels: 3 }[] {
  const next = random(7);
  return [0, 8, 20].map((more) => {
    const [width, height] = [side + more, side];
    return {
      data: Uint8Array.from({ length: 3 * width * height }, () => 256 * next()),
      width,
      height,
      channels: 3,
    };
  });
}

test.serial('the pipeline gives the embeddings of horoball for each storage type', async (t) => {
  const transformers = await load();
  if (transformers === null) {
    t.log('SKIPPED: @huggingface/transformers is not installed');
    return t.pass();
  }
  t.log(`ran on transformers.js ${transformers.env.version}`);
  const { path: root, remove } = await temporary();
  await writeRun(join(root, 'run'));
  await exportOnnxFolder(join(root, 'run'), join(root, 'tiny'), { storages });
  Object.assign(transformers.env, { localModelPath: root, allowRemoteModels: false });
  const raw = images(18);
  for (const storage of storages) {
    const embedder = await loadEmbedder(join(root, 'tiny'), { storage });
    const { euclidean, hyperbolic } = await embedder.embed(raw);
    await embedder.dispose();
    const extract = await transformers.pipeline('image-feature-extraction', 'tiny', {
      dtype: dtypes[storage],
    });
    const inputs = raw.map(({ data, width, height }) => new transformers.RawImage(data, width, height, 3));
    const { data, dims } = await extract(inputs);
    t.deepEqual([...dims], [3, 6]);
    t.true(relativeError(data, euclidean.data) < networkError.stored, storage);
    const outputs = await extract.model(await extract.processor(inputs));
    t.true(relativeError(outputs['hyperbolic']!.data, hyperbolic.data) < networkError.stored, storage);
    t.deepEqual([...(await extract(inputs, { pool: true })).dims], [3, 24]);
    await extract.dispose();
  }
  await remove();
});

test.serial('loads a folder without fp32, and a backbone, without options', async (t) => {
  const transformers = await load();
  if (transformers === null) return t.pass('SKIPPED: @huggingface/transformers is not installed');
  const { path: root, remove } = await temporary();
  await exportOnnxFolder(backbone(), join(root, 'tiny'), { storages: ['int8'] });
  Object.assign(transformers.env, { localModelPath: root, allowRemoteModels: false });
  const raw = images(16);
  const embedder = await loadEmbedder(join(root, 'tiny'));
  const { data: want } = await embedder.embed(raw, { space: 'unit' });
  await embedder.dispose();
  const extract = await transformers.pipeline('image-feature-extraction', 'tiny', {});
  const inputs = raw.map(({ data, width, height }) => new transformers.RawImage(data, width, height, 3));
  t.true(relativeError((await extract(inputs)).data, want) < networkError.stored);
  await extract.dispose();
  await remove();
});

test('an exported folder has a description; a second export adds to it; a run folder is not overwritten', async (t) => {
  const { path: root, remove } = await temporary();
  const run = join(root, 'run');
  await writeRun(run);
  const folder = join(root, 'out');
  const json = async (name: string): Promise<Record<string, unknown>> =>
    JSON.parse(await readFile(join(folder, name), 'utf8')) as Record<string, unknown>;
  await exportOnnxFolder(run, folder, { storages: ['int8'] });
  t.like(await json('config.json'), {
    model_type: 'vit',
    hidden_size: 24,
    'transformers.js_config': { dtype: 'q8' },
  });
  const { files } = await exportOnnxFolder(run, folder);
  const names = ['onnx/model.onnx', 'preprocessor_config.json', 'README.md', 'config.json'];
  t.deepEqual(files.map(({ name }) => name).toSorted(), names.toSorted());
  const config = await json('config.json');
  t.is(config['transformers.js_config'], undefined);
  t.like(config['horoball'], { size: 16, resize: 18, background: 'black', space: 'ball', c: 0.5, dim: 6 });
  t.like(await json('preprocessor_config.json'), {
    size: { shortest_edge: 18 },
    crop_size: { height: 16, width: 16 },
    resample: 3,
    image_mean: [0.5, 0.4, 0.3],
    image_std: [0.2, 0.3, 0.4],
  });
  const card = await readFile(join(folder, 'README.md'), 'utf8');
  t.regex(card, /^---\nlibrary_name: transformers\.js\n/);
  for (const name of ['onnx/model.onnx', 'onnx/model_quantized.onnx', 'image_embeds', 'curvature -0.5']) {
    t.true(card.includes(name), name);
  }
  t.regex(card, /mean `\[0\.5, 0\.4, 0\.3\]`, divided by the\nstandard deviation `\[0\.2, 0\.3, 0\.4\]`/);
  t.regex(card, /Transparent pixels are blended with black first\./);
  const before = await readFile(join(run, 'config.json'), 'utf8');
  const error = await t.throwsAsync<Error & { code: string }>(exportOnnxFolder(run, run));
  t.is(error.code, 'ERR_HOROBALL_OPTION');
  t.is(await readFile(join(run, 'config.json'), 'utf8'), before);
  await remove();
});

test('the Python program of the description gives the embedding of horoball', async (t) => {
  const { path: root, remove } = await temporary();
  t.teardown(remove);
  const [run, folder] = [join(root, 'run'), join(root, 'out')];
  await writeRun(run);
  await exportOnnxFolder(run, folder);
  const next = random(8);
  const [width, height] = [61, 34];
  const pixels = Uint8Array.from({ length: 3 * width * height }, () => 256 * next());
  const file = join(folder, '1.jpg');
  await sharp(pixels, { raw: { width, height, channels: 3 } })
    .jpeg()
    .toFile(file);
  const printed = python(t, 'onnxruntime', 'run_card.py', folder);
  if (printed === null) return;
  const embedder = await loadEmbedder(folder);
  const { data } = await embedder.embed([file], { space: 'unit' });
  t.true(relativeError(JSON.parse(printed) as number[], data) < networkError.network);
  await embedder.dispose();
});
