// The smoke stage of `npm run bench:gpu`: one call per family on the device against float64 on the host, then three training
// steps. Every comparison prints one line, with the worst element if it fails, so that a fault is found without a second run.
// node dist/bench/gpu-smoke.js [device] [--no-training]
import {
  expmap0,
  gromovDelta,
  hybridContrastiveLoss,
  type Matrix,
  matrix,
  pairwiseDistance,
  topK,
} from '../lib/index.ts';

type Device = 'cuda' | 'cpu';
type Values = ArrayLike<number>;

const device = (process.argv.slice(2).find((argument) => !argument.startsWith('-')) ?? 'cuda') as Device;
const wantsTraining = !process.argv.includes('--no-training');
const seed = 1;

/** Returns a generator of uniform numbers in [-1, 1) that are the same on every machine. */
function noise(start: number): () => number {
  let state = start >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 31 - 1;
  };
}

/** Returns random rows of norm `radius`: `single` in float32, and `exact` with the same values in float64. */
function rows(n: number, d: number, radius: number, start = seed): { exact: Matrix; single: Matrix } {
  const next = noise(start);
  const data = new Float32Array(n * d).map(next);
  for (let i = 0; i < n; i++) {
    const row = data.subarray(i * d, (i + 1) * d);
    const norm = Math.hypot(...row);
    for (let k = 0; k < d; k++) row[k]! *= radius / norm;
  }
  return { exact: matrix(Float64Array.from(data), n, d), single: matrix(data, n, d) };
}

let failures = 0;

/** Prints whether the largest error, relative to the largest expected magnitude, is within `bound`. */
function compare(what: string, shape: string, got: Values, expected: Values, bound: number): void {
  const scale = Array.from(expected).reduce((most, value) => Math.max(most, Math.abs(value)), 1e-30);
  let [worst, at, firstBad] = [0, 0, -1];
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(got[i]! - expected[i]!) / scale;
    const isBad = !(error <= bound);
    if (isBad && firstBad < 0) firstBad = i;
    if (!(error <= worst)) [worst, at] = [error, i];
  }
  if (firstBad < 0 && got.length === expected.length) {
    process.stdout.write(`ok      ${what}, ${shape}: ${worst.toExponential(1)} of ${bound}\n`);
    return;
  }
  failures += 1;
  process.stdout.write(
    `FAILED  ${what}, ${shape}, seed ${seed}: ${got.length} values for ${expected.length}, ` +
      `first bad index ${firstBad} (got ${got[firstBad]}, expected ${expected[firstBad]}), ` +
      `worst index ${at} (got ${got[at]}, expected ${expected[at]}), relative error ${worst}, bound ${bound}\n`,
  );
}

/** Runs one check; an error is printed like a wrong value, and the others still run. */
async function check(what: string, body: () => Promise<void>): Promise<void> {
  const begin = performance.now();
  try {
    await body();
  } catch (error) {
    failures += 1;
    const { code = 'no code', message } = error as Error & { code?: string };
    process.stdout.write(`FAILED  ${what}, seed ${seed}: ${code}: ${message}\n`);
  }
  process.stdout.write(`        ${what} took ${(performance.now() - begin).toFixed(0)} ms\n`);
}

const c = 0.8;
/** Parameters of the loss, in the check of a single call and in the check of training. */
const logit = { tied: true, views: 2, tauE: 0.1, tauH: 0.2, lambda: 1, c: 0.1 } as const;

async function families(): Promise<void> {
  await check('row', async () => {
    const { exact, single } = rows(333, 65, 0.9);
    compare(
      'expmap0',
      '333 x 65',
      (await expmap0(single, { c, device })).data,
      (await expmap0(exact, { c })).data,
      1e-5,
    );
  });
  await check('pairwise', async () => {
    const [x, y] = [rows(257, 130, 0.9), rows(190, 130, 0.7, 2)];
    const got = await pairwiseDistance(x.single, y.single, { c, device });
    compare(
      'pairwiseDistance',
      '257 x 190 x 130',
      got.data,
      (await pairwiseDistance(x.exact, y.exact, { c })).data,
      1e-5,
    );
    const one = (type: Float32ArrayConstructor | Float64ArrayConstructor) =>
      matrix(new type(257 * 190).fill(1), 257, 190);
    const [gradient] = await pairwiseDistance.vjp(x.single, y.single, one(Float32Array), { c, device });
    const [exact] = await pairwiseDistance.vjp(x.exact, y.exact, one(Float64Array), { c });
    compare('pairwiseDistance.vjp', '257 x 190 x 130', gradient!.data, exact!.data, 1e-4);
  });
  await check('contrast', async () => {
    const { exact, single } = rows(2 * 150, 128, 1);
    const options = { normalize: true, ...logit } as const;
    const got = await hybridContrastiveLoss({ euclidean: single, ...options, device });
    const expected = await hybridContrastiveLoss({ euclidean: exact, ...options });
    compare('loss', '2 x 150 x 128', [got.loss], [expected.loss], 1e-5);
    compare('loss gradient', '2 x 150 x 128', got.gradEuclidean!.data, expected.gradEuclidean!.data, 1e-4);
  });
  await check('select', async () => {
    const [queries, gallery] = [rows(100, 128, 0.8), rows(5000, 128, 0.9, 3)];
    const got = await topK(queries.single, gallery.single, { k: 10, c, device });
    const expected = await topK(queries.exact, gallery.exact, { k: 10, c });
    compare('topK distances', '100 x 5000 x 128, k = 10', got.distances, expected.distances, 1e-5);
  });
  await check('delta', async () => {
    const { exact, single } = rows(300, 64, 0.9);
    const options = { samples: 1, size: 300, seed };
    const got = await gromovDelta(single, { ...options, device });
    compare('gromovDelta', '300 x 64', [got.delta], [(await gromovDelta(exact, options)).delta], 1e-5);
  });
}

/** Compares the losses of three steps on the same batch between the device and the host. */
async function training(): Promise<void> {
  const { AdamW, Batch, Embedder, HybridLoss, vitConfigs } = await import('../lib/train/index.ts');
  const losses = async (where: Device): Promise<number[]> => {
    const head = { head: 'hypmix', dim: 32, clipR: 2.3, c: 0.1 } as const;
    using embedder = await Embedder.create({ model: 'vit_nano', ...head, seed, device: where });
    using optimizer = new AdamW(embedder, { lr: 1e-3 });
    const { imgSize: size, mean, std } = vitConfigs.vit_nano;
    const next = noise(seed);
    const bytes = Uint8Array.from({ length: 16 * size * size * 3 }, () => (next() + 1) * 127);
    const loss = new HybridLoss({ geometry: 'hybrid', ...logit });
    const values: number[] = [];
    for (let step = 0; step < 3; step++) {
      using batch = Batch.from(bytes, { count: 16, size }, mean, std, where);
      using embeddings = embedder.forward(batch);
      using objective = loss.apply(embeddings);
      optimizer.zeroGrad();
      objective.backward();
      optimizer.step();
      values.push((await objective.read()).loss);
    }
    return values;
  };
  compare(
    'losses of three training steps',
    'vit_nano, batch size 16',
    await losses(device),
    await losses('cpu'),
    1e-3,
  );
}

await families();
if (wantsTraining) await check('training', training);
process.stdout.write(
  failures === 0 ? 'smoke: all families agree with the host\n' : `smoke: ${failures} FAILED\n`,
);
if (failures > 0) process.exitCode = 1;
