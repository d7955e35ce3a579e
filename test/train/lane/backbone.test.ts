import { join } from 'node:path';
import test from 'ava';
import { readSafetensors } from '../../../lib/io/index.ts';
import { AdamW, createViT, Embedder, loadWeights, memory, saveWeights } from '../../../lib/train/index.ts';
import { tinyBatch, tinyViT } from '../helpers.ts';
import { temporary } from '../tiny-data.ts';

test('a backbone alone returns the same features as under a head', async (t) => {
  const seed = 9;
  using vit = await createViT(tinyViT, { seed });
  using embedder = await Embedder.create({ model: tinyViT, head: 'hypmix', dim: 4, clipR: null, c: 1, seed });
  using batch = tinyBatch(3);
  using features = vit.forward(batch, { train: false });
  using embeddings = embedder.forward(batch, { train: false });
  t.deepEqual(features.shape, [3, tinyViT.embedDim]);
  t.deepEqual(await features.data(), await embeddings.body.data());
  t.deepEqual(
    vit.parameters().filter(({ name }) => name.startsWith('head')),
    [],
  );
});

test('saved weights have no head and are unchanged after loading', async (t) => {
  const { path, remove } = await temporary();
  t.teardown(remove);
  const file = join(path, 'vit.safetensors');
  using vit = await createViT(tinyViT, { seed: 1 });
  using other = await createViT(tinyViT, { seed: 2 });
  await saveWeights(file, vit);
  const { tensors, metadata } = await readSafetensors(file);
  t.deepEqual({ ...metadata }, { format: 'pt' });
  t.deepEqual(
    [...tensors.keys()].sort(),
    vit
      .parameters()
      .map(({ name }) => name)
      .sort(),
  );
  const report = await loadWeights(file, other);
  t.deepEqual([report.missing, report.unexpected], [[], []]);
  t.deepEqual(await other.state(), await vit.state());
});

test('an optimizer step decreases the minimized feature', async (t) => {
  using vit = await createViT(tinyViT);
  using optimizer = new AdamW(vit, { lr: 1e-2, weightDecay: 0 });
  const first = async (): Promise<number> => {
    using batch = tinyBatch(2);
    using features = vit.forward(batch);
    features.backward(Float32Array.from({ length: 2 * tinyViT.embedDim }, (_, i) => (i === 0 ? 1 : 0)));
    return (await features.data())[0]!;
  };
  const before = await first();
  optimizer.step();
  optimizer.zeroGrad();
  t.true((await first()) < before);
});

test('the error for an unknown name lists the known ones, and no handle remains', async (t) => {
  const { handles } = memory();
  await t.throwsAsync(createViT('vit_huge_one'), { code: 'ERR_HOROBALL_RANGE', message: /vit_nano/ });
  t.is(memory().handles, handles);
});
