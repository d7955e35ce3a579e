import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { Embedder } from '../../../lib/train/lane/embedder.ts';
import { Batch } from '../../../lib/train/lane/tensor.ts';
import { saveWeights } from '../../../lib/train/run/trained-weights.ts';
import { loadWeights } from '../../../lib/train/weights/load.ts';
import { python } from '../../python.ts';
import { networkError } from '../../tolerances.ts';
import { relativeError } from '../helpers.ts';

let folder = '';
test.before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'horoball-timm-'));
});
test.after.always(() => rm(folder, { recursive: true, force: true }));

const create = (): Promise<Embedder> => {
  const half = [0.5, 0.5, 0.5] as const;
  const model = { imgSize: 16, patchSize: 4, embedDim: 24, depth: 2, numHeads: 3, mean: half, std: half };
  return Embedder.create({ model, head: 'hypmix', dim: 5, clipR: null, c: 0.1, seed: 7 });
};

/** The last line that the Python side prints; null, with a log line, if timm is not installed. */
function timm(t: ExecutionContext, ...args: string[]): string | null {
  return (
    python(t, 'timm', 'timm_state.py', ...args)
      ?.trim()
      .split('\n')
      .at(-1) ?? null
  );
}

test("a timm checkpoint gives timm's features, also at another image size", async (t) => {
  if (timm(t, 'make', folder) === null) return;
  using embedder = await create();
  const { missing, unexpected } = await loadWeights(join(folder, 'timm.pth'), embedder);
  t.deepEqual([missing, unexpected], [['head.weight', 'head.bias'], []]);
  const { image, features } = JSON.parse(await readFile(join(folder, 'wanted.json'), 'utf8')) as {
    image: number[];
    features: number[];
  };
  using batch = Batch.fromNormalized(new Float32Array(image), { count: 2, size: 16 });
  using embeddings = embedder.forward(batch, { train: false });
  t.true(relativeError(await embeddings.body.data(), features) < networkError.layers);
});

test('timm loads saved weights with strict=True, unchanged', async (t) => {
  using embedder = await create();
  const path = join(folder, 'saved.safetensors');
  await saveWeights(path, embedder);
  const printed = timm(t, 'read', path);
  if (printed === null) return;
  const sums = JSON.parse(printed) as Record<string, number>;
  const state = await embedder.state();
  t.deepEqual(Object.keys(sums).toSorted(), [...state.keys()].toSorted());
  for (const [name, { data }] of state) {
    const sum = data.reduce((total, value) => total + value, 0);
    t.true(Math.abs(sum - sums[name]!) < networkError.checksum * data.length, name);
  }
});
