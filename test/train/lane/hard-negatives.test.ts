import test from 'ava';
import { geometryCard } from '../../../lib/index.ts';
import { HybridLoss } from '../../../lib/train/lane/loss.ts';
import { setThreads } from '../../../lib/train/lane/native.ts';
import { Batch } from '../../../lib/train/lane/tensor.ts';
import { networkError } from '../../tolerances.ts';
import { embed, randomImages, relativeError, tinyEmbedder, tinyViT } from '../helpers.ts';

const [classes, views] = [4, 3];
const rows = classes * views;
const tauE = 0.2;
const common = { geometry: 'euclidean', tied: true, views, tauE, tauH: 0.2, lambda: 0.5, c: 0.1 } as const;

test.before(() => setThreads(1));

/** Computes the loss without optimizations, for rows with the index class * views + view. */
function plain(x: Float64Array, dim: number, beta: number, tau: number = tauE): number {
  const s = (i: number, j: number): number => {
    let product = 0;
    for (let k = 0; k < dim; k++) product += x[i * dim + k]! * x[j * dim + k]!;
    return product / tau;
  };
  let total = 0;
  for (let a = 0; a < views; a++) {
    for (let b = 0; b < views; b++) {
      if (a === b) continue;
      for (let i = 0; i < classes; i++) {
        const anchor = i * views + a;
        const positive = s(anchor, i * views + b);
        const odds: number[] = [];
        for (let j = 0; j < classes; j++)
          if (j !== i) for (const view of [a, b]) odds.push(s(anchor, j * views + view) - positive);
        const weights = odds.map((value) => Math.exp(beta * value));
        const mean = weights.reduce((sum, w) => sum + w, 0) / weights.length;
        const mass = odds.reduce((sum, value, k) => sum + (weights[k]! / mean) * Math.exp(value), 0);
        total += Math.log1p(mass) / classes;
      }
    }
  }
  return total;
}

for (const beta of [0.5, 2]) {
  test(`beta ${beta}: the loss and its gradient equal the formula`, async (t) => {
    using model = await tinyEmbedder();
    using reference = await tinyEmbedder();
    const { dim } = model.config;
    const out = embed(reference, rows);
    const x = Float64Array.from(await out.euclidean.data());
    const gradient = Float32Array.from(x, (value, at) => {
      const h = 1e-6;
      const moved = (by: number): number =>
        plain(
          Float64Array.from(x, (other, i) => (i === at ? value + by : other)),
          dim,
          beta,
        );
      return (moved(h) - moved(-h)) / (2 * h);
    });
    out.euclidean.backward(gradient);
    using loss = new HybridLoss({ ...common, hardness: beta }).apply(embed(model, rows), {
      gradParams: true,
    });
    loss.backward();
    const values = await loss.read();
    t.true(
      relativeError([values.loss], [plain(x, dim, beta)]) < geometryCard('euclidean').tolerance.value.float32,
    );
    const all = async (of: typeof model): Promise<number[]> =>
      [...(await of.gradients()).values()].flatMap(({ data }) => [...data]);
    const error = relativeError(await all(model), await all(reference));
    t.true(error < networkError.layerGradients, `${error}`);
    t.true(values.min <= values.mean && values.mean <= values.max);
  });
}

test('a loss far below the precision of float32 is accurate', async (t) => {
  using model = await tinyEmbedder();
  const image = randomImages(classes);
  const size = image.length / classes;
  const alike = Uint8Array.from({ length: views * image.length }, (_, at) => {
    return image[Math.floor(at / (views * size)) * size + (at % size)]!;
  });
  const { imgSize, mean, std } = tinyViT;
  using batch = Batch.from(alike, { count: rows, size: imgSize }, mean, std);
  using out = model.forward(batch);
  using loss = new HybridLoss({ ...common, tauE: 1e-4, hardness: 1 }).apply(out);
  const x = Float64Array.from(await out.euclidean.data());
  const expected = plain(x, model.config.dim, 1, 1e-4);
  t.true(expected < 1e-7 && expected > 0, `${expected}`);
  const read = (await loss.read()).loss;
  t.true(
    Math.abs(read / expected - 1) < geometryCard('euclidean').tolerance.value.float32,
    `${read} ${expected}`,
  );
});

test('a beta near 0 gives the plain loss, temperature gradient and statistics', async (t) => {
  using model = await tinyEmbedder();
  const read = async (beta: number): Promise<number[]> => {
    using loss = new HybridLoss({ ...common, hardness: beta }).apply(embed(model, rows), {
      gradParams: true,
    });
    const { gradParams, ...values } = await loss.read();
    return [values.loss, values.min, values.mean, values.max, values.accuracy, gradParams!.tauE];
  };
  t.true(relativeError(await read(1e-12), await read(0)) < geometryCard('euclidean').tolerance.value.float32);
});

test('a single class has no negatives and a loss of 0', async (t) => {
  using model = await tinyEmbedder();
  using loss = new HybridLoss({ ...common, hardness: 1 }).apply(embed(model, views));
  loss.backward();
  t.is((await loss.read()).loss, 0);
  for (const { data } of (await model.gradients()).values()) t.true(data.every((value) => value === 0));
});

test('beta is the former name of hardness', (t) => {
  for (const given of [{ hardness: 2 }, { beta: 2 }, { hardness: 2, beta: 2 }])
    t.like(new HybridLoss({ ...common, ...given }).options, { hardness: 2, beta: 2 });
  t.like(new HybridLoss(common).options, { hardness: 0, beta: 0 });
  t.deepEqual(
    new HybridLoss(new HybridLoss({ ...common, beta: 2 }).options).options,
    new HybridLoss({ ...common, hardness: 2 }).options,
  );
  t.throws(() => new HybridLoss({ ...common, hardness: 2, beta: 1 }), {
    code: 'ERR_HOROBALL_RANGE',
    message: '[hybridLoss] beta: expected 2, the value of hardness, got 1',
  });
  t.throws(() => new HybridLoss({ ...common, hardness: -1 }), {
    code: 'ERR_HOROBALL_RANGE',
    message: /hardness: expected/,
  });
});

test('only the euclidean geometry accepts hardness, under both names', (t) => {
  t.throws(() => new HybridLoss({ ...common, geometry: 'hybrid', beta: 1 }), {
    code: 'ERR_HOROBALL_TYPE',
    message: /geometry/,
  });
  t.throws(() => new HybridLoss({ ...common, beta: -1 }), { code: 'ERR_HOROBALL_RANGE', message: /beta/ });
});
