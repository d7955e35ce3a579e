import { gromovDelta, matrix, pairwiseDistance } from '../../lib/index.ts';
import { delta, table } from '../../test/oracle.ts';
import { allowed, coreError, peerError } from '../../test/tolerances.ts';
import { unitRows } from '../inputs.ts';
import type { Labels } from '../results.ts';
import { difference, type Suite } from '../suite.ts';
import { within } from './loss-check.ts';
import { input } from './product.ts';

/** Returns the suite of the Gromov delta of n random unit rows as wide as ViT-S features. */
export function deltaSuite(n: number, threads: number): Suite {
  const features = unitRows(n, 384, 5, 41, 'float32');
  const distances = pairwiseDistance.sync(features, { metric: 'euclidean' });
  for (let i = 0; i < n; ++i) distances.data[i * n + i] = 0;
  const labels: Labels = {
    op: 'gromovDelta',
    shape: `n = ${n}`,
    n,
    m: n,
    dim: 0,
    views: 0,
    type: 'float32',
    geometry: 'euclidean',
    heads: '',
    guards: 'clean',
    pass: 'forward',
  };
  const run = () => gromovDelta.sync(distances, { input: 'distances', size: n, samples: 1, threads });
  const small = n <= 500;
  return {
    name: `delta n=${n}`,
    arrays: { distances: input(distances) },
    own: [
      {
        name: 'delta',
        labels,
        // One minimum and one maximum per point k and pair of points i <= j.
        flops: n * n * (n + 1),
        run,
        probe: () => [run().delta],
        peak: true,
        ...(small ? {} : { bar: { of: 'ms', atMost: 1500 } as const }),
      },
    ],
    peers: small
      ? [
          {
            name: 'published delta',
            labels,
            params: {},
            inputs: { distances: 'distances' },
            against: 'delta',
            same: { as: 'delta', within: peerError.delta },
            bar: { of: 'ratio', atLeast: 40 },
            peak: true,
          },
        ]
      : [],
    derived: small
      ? []
      : [
          {
            labels: { ...labels, op: 'gromovDelta, memory' },
            side: 'horoball',
            unit: 'MB beyond the input',
            bar: { of: 'value', atMost: 64 },
            value: (of) => of.peakMB('delta'),
          },
        ],
    check: () => {
      const part = Math.min(n, 300);
      const corner = Float64Array.from({ length: part * part }, (_, at) => {
        return distances.data[Math.floor(at / part) * n + (at % part)]!;
      });
      const found = gromovDelta.sync(matrix(corner, part, part), {
        input: 'distances',
        size: part,
        samples: 1,
      });
      const error = difference([found.delta], [delta(table(corner, part))]);
      within('delta', error, allowed(Float64Array, coreError.delta));
    },
  };
}
