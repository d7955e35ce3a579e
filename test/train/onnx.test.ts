// A network as ONNX gives what libtorch gives: onnxruntime is the judge where it is installed, Node's (npm install
// --no-save --ignore-scripts onnxruntime-node) or Python's.
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { writeNpy } from '../../lib/io/index.ts';
import { Batch, exportOnnx, saveWeights } from '../../lib/train/index.ts';
import { python } from '../python.ts';
import { pictures, relativeError, tinyEmbedder, tinyViT } from './helpers.ts';
import { temporary } from './tiny-data.ts';

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

/** What onnxruntime makes of pictures (`count` x 3 x `size` x `size`); null, said aloud, where there is none. */
async function judged(
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
  const got = await session.run({ pictures: new found.Tensor('float32', planes, shape) });
  return Object.fromEntries(Object.entries(got).map(([name, { data }]) => [name, data]));
}

const names = ['body', 'euclidean', 'hyperbolic'] as const;

for (const [what, options] of Object.entries({
  'tied head': { head: 'hypmix', clipR: 2.3, c: 0.1 },
  'free head, no clip, far from the origin': { head: 'hyp-vit', clipR: null, c: 3 },
  'published guards': { head: 'hyp-vit', clipR: 2.3, c: 0.1, compat: 'hypmix' },
  'distillation token and layer scale': {
    model: { ...tinyViT, distilled: true, initValues: 0.3 },
    head: 'hypmix',
    clipR: 2.3,
    c: 1,
  },
} as const)) {
  test(`${what}: the exported network is the network`, async (t) => {
    const { path, remove } = await temporary();
    using model = await tinyEmbedder(options);
    const weights = join(path, 'model.safetensors');
    await saveWeights(weights, model);
    const { file, size, bytes } = await exportOnnx(weights, join(path, 'model.onnx'));
    t.is((await readFile(file)).length, bytes);
    t.is(size, tinyViT.imgSize);
    const count = 3;
    const images = pictures(count, 5);
    using batch = Batch.from(images, { count, size }, model.config.model.mean, model.config.model.std);
    using out = model.forward(batch, { train: false });
    const planes = new Float32Array(images.length);
    for (let i = 0; i < images.length; i++) {
      const [picture, pixel, channel] = [
        Math.floor(i / (3 * size * size)),
        Math.floor(i / 3) % (size * size),
        i % 3,
      ];
      planes[(3 * picture + channel) * size * size + pixel] = images[i]! / 255;
    }
    const got = await judged(t, file, planes, [count, size]);
    for (const name of got === null ? [] : names) {
      const error = relativeError(got![name]!, await out[name].data());
      t.true(error < 1e-4, `${name}: ${error}`);
    }
    await remove();
  });
}

test('a file of weights that no run wrote cannot be exported, and nothing is written', async (t) => {
  const { path, remove } = await temporary();
  const { writeSafetensors } = await import('../../lib/io/index.ts');
  const weights = join(path, 'other.safetensors');
  await writeSafetensors(weights, new Map([['x', { shape: [1], data: new Float32Array(1) }]]));
  const error = await t.throwsAsync(exportOnnx(weights, join(path, 'model.onnx')));
  t.is((error as Error & { code: string }).code, 'ERR_HOROBALL_WEIGHTS');
  await t.throwsAsync(readFile(join(path, 'model.onnx')));
  await remove();
});
