import test from 'ava';
import { autoCurvature, gromovDelta, matrix } from '../lib/index.ts';
import { delta, pairwise, table } from './oracle.ts';
import { close, cloud, Reference, types } from './support.ts';
import { allowed, coreError } from './tolerances.ts';

const reference = await Reference.open('delta');
const { diameter, relative, delta_base0 } = reference.metadata;

for (const type of types) {
  test(`${type.name}: delta equals the reference, from distances and from points`, async (t) => {
    const limit = allowed(type, coreError.delta);
    const wanted = [Number(delta_base0), Number(relative), (0.144 / Number(relative)) ** 2];
    for (const name of ['distance', 'x']) {
      const input = reference.matrix(name, type);
      const got = await gromovDelta(input);
      close(t, [got.delta, got.relative, got.suggestedC], wanted, limit, name);
      t.is(got.standardError, 0);
      t.deepEqual(gromovDelta.sync(input), got);
    }
    close(
      t,
      [(2 * Number(delta_base0)) / Number(relative)],
      [Number(diameter)],
      coreError.delta.float64,
      'diameter',
    );
  });

  for (const [rows, cols] of [
    [2, 1],
    [3, 2],
    [33, 5],
    [70, 3],
  ] as const) {
    test(`${type.name} ${rows} x ${cols}: equals the maximum over all triples`, (t) => {
      const x = cloud(type, rows, cols, 3);
      const m = pairwise('euclidean', table(x.data, cols), table(x.data, cols), 1);
      const got = gromovDelta.sync(x);
      const scale = Math.max(...m.flat());
      t.true(Math.abs(got.delta - delta(m)) <= allowed(type, coreError.deltaPerDistance) * scale);
    });
  }
}

test('the delta of a tree is 0', (t) => {
  const leaves = 16; // leaves of a binary tree: their distance is twice the height of the lowest common ancestor
  const height = (i: number, j: number) => 32 - Math.clz32(i ^ j);
  const data = Float64Array.from({ length: leaves ** 2 }, (_, at) => 2 * height(at >> 4, at & 15));
  const got = gromovDelta.sync(matrix(data, leaves, leaves));
  t.deepEqual(got, { delta: 0, relative: 0, suggestedC: Infinity, standardError: 0 });
});

test('subsets depend only on the seed, and more of them reduce the standard error', async (t) => {
  const x = cloud(Float64Array, 300, 4, 1);
  const few = await gromovDelta(x, { size: 60, samples: 10, seed: 7 });
  t.deepEqual(await gromovDelta(x, { size: 60, samples: 10, seed: 7 }), few);
  t.notDeepEqual(await gromovDelta(x, { size: 60, samples: 10, seed: 8 }), few);
  const many = gromovDelta.sync(x, { size: 60, samples: 160, seed: 7 });
  t.true(many.standardError > 0 && many.standardError < few.standardError);
  t.true(Math.abs(many.relative - few.relative) < 4 * few.standardError);
  const seen: number[][] = [];
  await gromovDelta(x, { size: 60, samples: 3, onProgress: (...at) => seen.push(at) });
  t.deepEqual(seen, [
    [1, 3],
    [2, 3],
    [3, 3],
  ]);
});

test('selects the same subsets from distances as from points', (t) => {
  const x = cloud(Float64Array, 40, 4, 1);
  const m = pairwise('euclidean', table(x.data, 4), table(x.data, 4), 1);
  const options = { size: 12, samples: 5, seed: 3 };
  const from = gromovDelta.sync(matrix(Float64Array.from(m.flat()), 40, 40), options);
  close(t, [from.relative], [gromovDelta.sync(x, options).relative], coreError.delta.float64, 'relative');
});

test('extremely large and small distances give the delta of their multiples', async (t) => {
  const cycle = [0, 2, 4, 2, 2, 0, 2, 4, 4, 2, 0, 2, 2, 4, 2, 0];
  const of = (Kind: typeof Float32Array | typeof Float64Array, scale: number) =>
    gromovDelta(matrix(Kind.from(cycle.map((value) => value * scale)), 4, 4));
  const { delta, ...rest } = await of(Float64Array, 1);
  t.is(delta, 2);
  for (const scale of [2 ** 125, 2 ** -149])
    t.deepEqual(await of(Float32Array, scale), { delta: 2 * scale, ...rest }, String(scale));
  for (const scale of [2 ** 1021, 2 ** -1074])
    t.deepEqual(await of(Float64Array, scale), { delta: 2 * scale, ...rest }, String(scale));
});

test('autoCurvature equals its closed forms, and does not overflow in high dimensions', (t) => {
  // gamma(dim/2 + 1) is 1, 3 sqrt(pi)/4, 120 for dim 2, 3, 10.
  close(t, [autoCurvature(2)], [1], coreError.gamma, '2');
  close(
    t,
    [autoCurvature(3)],
    [((3 / 4) * Math.PI ** 0.5 * Math.PI ** -0.5) ** (-2 / 3)],
    coreError.gamma,
    '3',
  );
  close(t, [autoCurvature(10)], [(120 / Math.PI ** 4) ** (-2 / 10)], coreError.gamma, '10');
  // Stirling: c tends to 2 pi e / dim.
  close(t, [(autoCurvature(1e7) * 1e7) / (2 * Math.PI * Math.E)], [1], coreError.gammaLimit, '1e7');
});

test('rejects distances that are not square or not finite', (t) => {
  const square = matrix(Float64Array.of(0, 1, 2, 1, 0, 3, 2, 3, 0), 3, 3);
  t.notThrows(() => gromovDelta.sync(square, { input: 'distances' }));
  const wide = matrix(square.data.slice(0, 6), 2, 3);
  t.throws(() => gromovDelta.sync(wide, { input: 'distances' }), {
    code: 'ERR_HOROBALL_SHAPE',
    message: /^\[gromovDelta\] x: expected a square matrix, got 2 x 3/,
  });
  for (const bad of [Number.NaN, Number.POSITIVE_INFINITY]) {
    const changed = matrix(
      square.data.map((value) => (value === 3 ? bad : value)),
      3,
      3,
    );
    const refused = { code: 'ERR_HOROBALL_RANGE', message: /^\[gromovDelta\] x: expected finite distances/ };
    t.throws(() => gromovDelta.sync(changed, { input: 'distances' }), refused);
    t.throws(() => gromovDelta.sync(matrix([[0], [bad], [1]]), { metric: 'euclidean' }), refused);
  }
  t.throws(() => gromovDelta.sync(matrix([[1, 2]])), {
    code: 'ERR_HOROBALL_SHAPE',
    message: /at least 2 rows/,
  });
});
