import test from 'ava';
import { negativeWeights } from '../lib/index.ts';
import { matrix } from '../lib/matrix.ts';
import { norm } from '../lib/norm.ts';
import { close, cloud } from './support.ts';
import { allowed, coreError } from './tolerances.ts';

test('the norm has the bits of Math.hypot', (t) => {
  for (const scale of [1e-300, 1e-5, 1, 1e200])
    for (let cols = 1; cols <= 70; cols++) {
      const { data } = cloud(Float64Array, 3, cols, scale, cols);
      t.is(norm(data), Math.hypot(...data), `${scale} ${cols}`);
    }
  for (const values of [[], [0, -0], [-3], [Number.NaN, 1], [Number.NaN, -Infinity], [5e-324]])
    t.is(norm(values), Math.hypot(...values), `${values}`);
});

test('vectors may have more elements than a call accepts arguments', async (t) => {
  const cols = 1 << 20;
  t.is(norm(new Float64Array(cols).fill(-3)), 3072);
  const euclidean = matrix(new Float32Array(4 * cols).fill(1), 4, cols);
  const { p } = await negativeWeights({
    ...{ euclidean, normalize: true, geometry: 'euclidean', views: 2, anchors: [0] },
  });
  close(t, [p.data[2]!], [1 / 3], allowed(Float64Array, coreError.rounding), 'p');
});
