import test from 'ava';

import { contrastiveLosses, geometries } from '../../../lib/card-names.ts';
import {
  contrastiveLoss,
  type Geometry,
  geometryCard,
  hybridContrastiveLoss,
  matrix,
} from '../../../lib/index.ts';
import type { Embedder } from '../../../lib/train/lane/embedder.ts';
import { HybridLoss, LossHandle } from '../../../lib/train/lane/loss.ts';
import { native, setThreads } from '../../../lib/train/lane/native.ts';
import { Batch } from '../../../lib/train/lane/tensor.ts';
import type { Head } from '../../../lib/train/lane/types.ts';
import { trainedGeometries } from '../../../lib/train/options/define.ts';
import { close } from '../../support.ts';
import { networkError } from '../../tolerances.ts';
import { embed, randomImages, relativeError, tinyEmbedder, tinyViT } from '../helpers.ts';

const [classes, views] = [4, 3];
const rows = classes * views;
const common = { views, tauE: 0.1, tauH: 0.2, lambda: 0.5, c: 0.1, clipR: 2.3 };

test.before(() => setThreads(1));

/** Returns the core's loss of the model's outputs, and the parameters' gradients, backpropagated from the core's gradients. */
async function throughCore(model: Embedder, geometry: Geometry): Promise<[number, Float32Array[]]> {
  const out = embed(model, rows);
  const euclidean = matrix(await out.euclidean.data(), rows, model.config.dim);
  const hyperbolic = matrix(await out.hyperbolic.data(), rows, model.config.dim);
  const inputs = model.tied
    ? { tied: true, euclidean }
    : {
        ...(geometryCard(geometry).reads.euclidean ? { euclidean } : {}),
        ...(geometryCard(geometry).reads.hyperbolic ? { hyperbolic } : {}),
      };
  const { loss, gradEuclidean, gradHyperbolic } = await hybridContrastiveLoss({
    ...common,
    geometry,
    ...inputs,
  });
  if (gradEuclidean && gradHyperbolic) {
    // Two backward passes need two graphs, hence a second forward pass.
    out.euclidean.backward(gradEuclidean.data as Float32Array);
    const again = embed(model, rows);
    again.hyperbolic.backward(gradHyperbolic.data as Float32Array);
  } else if (gradEuclidean) out.euclidean.backward(gradEuclidean.data as Float32Array);
  else out.hyperbolic.backward(gradHyperbolic!.data as Float32Array);
  return [loss, await gradients(model)];
}

async function gradients(model: Embedder): Promise<Float32Array[]> {
  return [...(await model.gradients()).values()].map(({ data }) => data);
}

for (const head of ['hypmix', 'hyp-vit'] satisfies Head[]) {
  for (const geometry of trainedGeometries) {
    test(`${head}, ${geometry}: the loss and its gradients equal those of the core`, async (t) => {
      using model = await tinyEmbedder({ head });
      using reference = await tinyEmbedder({ head });
      const [expected, expectedGradients] = await throughCore(reference, geometry);
      using loss = new HybridLoss({ ...common, geometry, tied: model.tied }).apply(embed(model, rows));
      loss.backward();
      t.true(
        relativeError([(await loss.read()).loss], [expected]) <
          geometryCard(geometry).tolerance.value.float32,
      );
      const got = await gradients(model);
      t.is(got.length, expectedGradients.length);
      const [all, wanted] = [got, expectedGradients].map((list) => list.flatMap((each) => [...each]));
      t.true(
        relativeError(all!, wanted!) < networkError.orderOfGradients,
        String(relativeError(all!, wanted!)),
      );
    });
  }
}

for (const loss of contrastiveLosses.filter((name) => name !== 'proxy-anchor')) {
  test(`${loss}: the loss and its gradients equal those of the core, with labels in any order`, async (t) => {
    const labels = Int32Array.from({ length: rows }, (_, row) => (5 * row) % classes);
    const settings = { geometry: 'hybrid', tauE: 0.7, tauH: 0.5, lambda: 0.5, c: 0.1, loss } as const;
    using model = await tinyEmbedder({ head: 'hyp-vit' });
    const out = embed(model, rows);
    const euclidean = matrix(await out.euclidean.data(), rows, model.config.dim);
    const hyperbolic = matrix(await out.hyperbolic.data(), rows, model.config.dim);
    const want = contrastiveLoss.sync({ ...settings, euclidean, hyperbolic, labels });
    using reference = await tinyEmbedder({ head: 'hyp-vit' });
    embed(reference, rows).euclidean.backward(want.gradEuclidean!.data as Float32Array);
    embed(reference, rows).hyperbolic.backward(want.gradHyperbolic!.data as Float32Array);
    using handle = new HybridLoss({ ...settings, views, tied: false }).apply(out, labels, {
      gradParams: true,
    });
    handle.backward();
    const values = await handle.read();
    close(t, [values.loss], [want.loss], geometryCard(settings.geometry).tolerance.value.float32, loss);
    close(
      t,
      Object.values(values.gradParams!),
      Object.values(want.gradParams!),
      networkError.orderOfGradients,
      'parameters',
    );
    const published = new HybridLoss({ ...settings, loss: 'views', views, tied: false });
    using other = published.apply(embed(model, rows), labels);
    const { loss: _, ...statistics } = await other.read();
    t.like(values, statistics);
    const [got, expected] = [await gradients(model), await gradients(reference)];
    const flat = (list: Float32Array[]) => list.flatMap((each) => [...each]);
    close(t, flat(got), flat(expected), networkError.orderOfGradients, 'weights');
  });
}

test('labels in any order give the same results as rows ordered by class', async (t) => {
  using model = await tinyEmbedder();
  const images = randomImages(rows);
  const size = images.length / rows;
  const shuffled = [6, 0, 9, 3, 1, 7, 4, 10, 8, 2, 11, 5]; // views keep their order within a class
  const mixed = Uint8Array.from(
    shuffled.flatMap((row) => [...images.subarray(row * size, (row + 1) * size)]),
  );
  const labels = Int32Array.from(shuffled, (row) => 10 + Math.floor(row / views));
  const values = async (from: Uint8Array, given?: Int32Array): Promise<unknown> => {
    using batch = Batch.from(from, { count: rows, size: 16 }, tinyViT.mean, tinyViT.std);
    const loss = new HybridLoss({ ...common, geometry: 'hybrid', tied: true });
    using handle = loss.apply(model.forward(batch), given);
    const { loss: value, min, max, accuracy } = await handle.read();
    return [value, min, max, accuracy].map((x) => x.toFixed(4));
  };
  t.deepEqual(await values(mixed, labels), await values(images));
});

test('rejects unequal counts, naming the class, and a number of rows that is not a multiple of the views', async (t) => {
  using model = await tinyEmbedder();
  const loss = new HybridLoss({ ...common, geometry: 'hybrid', tied: true });
  const labels = Int32Array.from({ length: rows }, (_, row) => Math.min(2, row >> 2));
  labels[0] = 1;
  const out = embed(model, rows);
  t.throws(() => loss.apply(out, labels), { code: 'ERR_HOROBALL_LABELS', message: /class 1/ });
  t.throws(() => loss.apply(embed(model, rows - 1)), { code: 'ERR_HOROBALL_SHAPE' });
});

test('without labels, the options may come second', async (t) => {
  using model = await tinyEmbedder();
  const loss = new HybridLoss({ ...common, geometry: 'hybrid', tied: true });
  const out = embed(model, rows);
  using second = loss.apply(out, { tauE: 0.3, gradParams: true });
  using third = loss.apply(out, undefined, { tauE: 0.3, gradParams: true });
  t.deepEqual(await second.read(), await third.read());
  t.not((await second.read()).gradParams, undefined);
  t.throws(() => loss.apply(out, { tauF: 1 } as object), {
    code: 'ERR_HOROBALL_OPTION',
    message: /got 'tauF'/,
  });
  t.throws(() => loss.apply(out, null as never), { code: 'ERR_HOROBALL_TYPE', message: /labels/ });
});

test('the addon itself rejects invalid arguments', async (t) => {
  using model = await tinyEmbedder({ head: 'hyp-vit' });
  const { euclidean, hyperbolic } = embed(model, rows);
  const sound = {
    ...new HybridLoss({ ...common, geometry: 'hybrid', tied: false }).options,
    ...{ gradParams: false, divide: false },
    geometryIndex: 0,
    ...{ lossIndex: -1, similarityBeta: 50, proxiesAreAnchors: false },
  };
  const call = (options: object, order: Int32Array | null = null) =>
    native().loss(euclidean.handle, hyperbolic.handle, { ...sound, ...options }, order, null, null);
  for (const geometryIndex of [-1, geometries.length, 200, 256, 1.5, Number.NaN])
    t.throws(() => call({ geometryIndex }), { code: 'ERR_HOROBALL_TYPE', message: /geometry/ });
  for (const lossIndex of [-2, 256, 0.5])
    t.throws(() => call({ lossIndex }), { code: 'ERR_HOROBALL_TYPE', message: /loss/ });
  t.throws(() => call({ lossIndex: 0, geometryIndex: 1, beta: 1 }), {
    code: 'ERR_HOROBALL_TYPE',
    message: /beta/,
  });
  t.throws(() => call({ beta: 1 }), { code: 'ERR_HOROBALL_TYPE', message: /beta/ });
  const rowsInOrder = Int32Array.from({ length: rows }, (_, row) => row);
  const wrong: [object, Int32Array | null][] = [
    [{ views: 5 }, null],
    [{}, rowsInOrder.with(3, rows)],
    [{}, rowsInOrder.with(3, -1)],
    [{}, rowsInOrder.subarray(1)],
  ];
  for (const [options, order] of wrong) {
    using handle = new LossHandle(call(options, order));
    await t.throwsAsync(handle.read(), { code: 'ERR_HOROBALL_SHAPE' });
  }
  using handle = new LossHandle(call({}, rowsInOrder));
  t.true((await handle.read()).loss > 0);
});

test('the mean over pairs is the sum divided by their number', async (t) => {
  using model = await tinyEmbedder();
  const value = async (reduction: 'sum' | 'mean'): Promise<number> => {
    const loss = new HybridLoss({ ...common, geometry: 'hybrid', tied: true, reduction });
    return (await loss.apply(embed(model, rows)).read()).loss;
  };
  t.true(
    relativeError([await value('mean')], [(await value('sum')) / (views * (views - 1))]) <
      geometryCard('hybrid').tolerance.value.float64,
  );
});

test('rejects a second backward pass, naming the operation', async (t) => {
  using model = await tinyEmbedder();
  const loss = new HybridLoss({ ...common, geometry: 'hybrid', tied: true }).apply(embed(model, rows));
  loss.backward();
  loss.backward();
  await t.throwsAsync(loss.read(), { code: 'ERR_HOROBALL_NO_GRAPH', message: /^\[loss\.backward\]/ });
  t.true((await loss.read()).loss > 0);
});
