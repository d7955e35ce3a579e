// Results are bit-identical for any number of threads.
import test from 'ava';
import {
  contrastiveLoss,
  gromovDelta,
  hybridContrastiveLoss,
  matrix,
  normalize,
  pairwiseDistance,
  retrievalMetrics,
  topK,
} from '../lib/index.ts';
import { cloud, types } from './support.ts';

const counts = [2, 3, 7];

for (const type of types) {
  // The numbers of rows exceed a block and are not multiples of its size, so the last block is partial.
  const x = cloud(type, 701, 37, 0.95, 1);
  const y = cloud(type, 503, 37, 0.95, 2);
  const cotangent = cloud(type, 701, 503, 1, 3);
  const square = cloud(type, 701, 701, 1, 4);
  const labels = Int32Array.from({ length: 701 }, (_, i) => i % 90);
  const calls = {
    pairwise: (threads?: number) => pairwiseDistance.sync(x, y, { c: 1, threads }),
    'pairwise of a set with itself': (threads?: number) =>
      pairwiseDistance.sync(x, undefined, { c: 1, threads }),
    'pairwise vjp': (threads?: number) => {
      const gradC = new Float64Array(1);
      return [pairwiseDistance.vjp.sync(x, y, cotangent, { c: 1, gradC, threads }), gradC];
    },
    'pairwise vjp of a set with itself': (threads?: number) =>
      pairwiseDistance.vjp.sync(x, undefined, square, { c: 1, threads }),
    'hybrid loss': (threads?: number) =>
      hybridContrastiveLoss.sync({ ...heads(699), views: 3, c: 0.5, threads }),
    'tied loss': (threads?: number) =>
      hybridContrastiveLoss.sync({ euclidean: heads(700).euclidean, tied: true, views: 7, c: 0.5, threads }),
    'published loss': (threads?: number) =>
      hybridContrastiveLoss.sync({ ...heads(700), views: 2, c: 0.5, compat: 'hypmix', threads }),
    'pair loss': (threads?: number) =>
      contrastiveLoss.sync({
        ...heads(701),
        labels: x.data.subarray(0, 701).map((v) => Math.floor(40 * v)),
        c: 0.5,
        threads,
      }),
    'pair loss against references': (threads?: number) =>
      contrastiveLoss.sync({
        ...{ ...heads(500), loss: 'supcon', labels: labels.subarray(0, 500), c: 0.5, threads },
        ref: { ...heads(701), labels },
      }),
    topK: (threads?: number) => topK.sync(x, y, { k: 13, c: 1, threads }),
    metrics: (threads?: number) => retrievalMetrics.sync(x, labels, { c: 1, threads }),
    delta: (threads?: number) => gromovDelta.sync(x, { size: 230, samples: 2, threads }),
  };
  const heads = (rows: number) => ({
    euclidean: normalize.sync(matrix(x.data.subarray(0, rows * 37), rows, 37)),
    hyperbolic: matrix(x.data.subarray(0, rows * 37), rows, 37),
  });

  for (const [name, call] of Object.entries(calls)) {
    test(`${type.name} ${name}: bit-identical for 1, ${counts.join(', ')} and all threads`, (t) => {
      const one = call(1);
      for (const threads of [...counts, undefined]) t.deepEqual(call(threads), one, `${threads} threads`);
    });
  }
}
