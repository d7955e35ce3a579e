// Tests properties of every row-wise operation in the list of cards, so a new one is tested automatically.
import { readFileSync } from 'node:fs';
import test, { type ExecutionContext } from 'ava';
import { type Matrix, matrix } from '../lib/index.ts';
import type { RowCard } from '../lib/row/card.ts';
import { generated } from './generate-ops.ts';
import { hypmixOperations, operations, table } from './oracle.ts';
import {
  argumentsOf,
  cards,
  forward,
  gradients,
  moved,
  operationOf,
  ownOf,
  pointsOf,
  type RowOptions,
  slope,
} from './row-points.ts';
import { close, cloud, inner, types } from './support.ts';
import { allowed, coreError, referenceError } from './tolerances.ts';

const shapes = [
  [1, 1],
  [1, 8],
  [7, 3],
  [33, 17],
  [5, 64],
  [40, 130],
] as const;
const curvatures = [1e-4, 0.1, 1, 30];

test('the generated files are up to date', (t) => {
  const bare = (source: string) => source.replace(/\s/g, '').replace(/,(?=[\])}])/g, ''); // the formatter adds trailing commas
  for (const [path, source] of Object.entries(generated)) {
    const text = readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
    t.is(bare(text), bare(source()), `${path}: run npm run ops`);
  }
});

test('every card has a formula, and every formula a card', (t) => {
  t.deepEqual(cards.map(({ name }) => name).sort(), Object.keys(operations).sort());
  const published = cards.filter((card) => card.published).map(({ name }) => name);
  t.deepEqual(published.sort(), Object.keys(hypmixOperations).sort());
});

function tables(inputs: readonly Matrix[]): number[][][] {
  return inputs.map(({ data, cols }) => table(data, cols));
}

for (const card of cards) {
  const { name, tolerance } = card;

  test(`${name}: equals its formula at every shape and curvature, in both types`, (t) => {
    for (const type of types) {
      for (const [n, d] of shapes) {
        for (const c of curvatures) {
          const inputs = pointsOf(card, type, n, d, c);
          const want = operations[name]!(tables(inputs), { c, t: ownOf(card) ?? 0 }).flat();
          const limit = allowed(type, tolerance.value);
          close(t, forward(card, inputs, { c }).data, want, limit, `${type.name} ${n} x ${d}, c ${c}`);
        }
      }
    }
  });

  if (card.published) {
    test(`${name}: compat equals the formula with the published guards`, (t) => {
      for (const c of [0.1, 2]) {
        for (const reach of [1e-6, 0.7, 0.999_999]) {
          const inputs = pointsOf(card, Float64Array, 9, 5, c, reach);
          const want = hypmixOperations[name]!(tables(inputs), { c, t: ownOf(card) ?? 0 }).flat();
          const got = forward(card, inputs, { c, compat: 'hypmix' });
          // Near the origin and the rim, the limit includes the rounding errors of the oracle's plain formulas.
          const limit = allowed(Float64Array, tolerance.value, reach === 0.7 ? 0 : referenceError.unguarded);
          close(t, got.data, want, limit, `c ${c}, reach ${reach}`);
        }
      }
    });
  } else {
    test(`${name}: compat changes nothing inside the ball`, (t) => {
      const inputs = pointsOf(card, Float64Array, 9, 5, 1, 0.999_999);
      t.deepEqual(forward(card, inputs, { c: 1, compat: 'hypmix' }), forward(card, inputs, { c: 1 }));
    });
  }

  for (const compat of [undefined, 'hypmix'] as const) {
    test(`${name}: gradients equal finite differences, ${compat ?? 'clean'}`, (t) => {
      for (const [n, d] of [
        [4, 2],
        [3, 9],
      ] as const) {
        for (const c of [0.3, 2])
          checkGradients(t, card, pointsOf(card, Float64Array, n, d, c, 0.6), { c, compat });
      }
    });
  }

  test(`${name}: float32 gradients equal those of float64 at the same points`, (t) => {
    const c = 0.7;
    for (const [n, d] of shapes) {
      const single = pointsOf(card, Float32Array, n, d, c, 0.9);
      const double = single.map(({ data, rows, cols }) => matrix(Float64Array.from(data), rows, cols));
      const { rows, cols } = forward(card, double, { c });
      const weights = cloud(Float32Array, rows, cols, 1, 5);
      const got = gradients(card, single, { c }, weights);
      const want = gradients(card, double, { c }, matrix(Float64Array.from(weights.data), rows, cols));
      got.inputs.forEach((gradient, i) => {
        const [found, right] = [gradient.data, want.inputs[i]!.data];
        const limit = tolerance.gradient.float32;
        const size = Math.hypot(...found);
        const what = `${n} x ${d}, input ${i}`;
        if (Math.hypot(...right) >= coreError.zeroGradient) close(t, found, right, limit, what);
        // The terms of a zero gradient, as of a rotation in one dimension, cancel: its limit is relative to the weights.
        else t.true(size <= limit * Math.hypot(...weights.data), `${what}: ${size}`);
      });
      t.true(
        Math.abs(got.c - want.c) <= tolerance.parameters.float32 * Math.abs(want.c) + coreError.zeroGradient,
        `c: ${got.c} against ${want.c}`,
      );
    }
  });

  test(`${name}: all variants and thread counts give bit-identical results`, async (t) => {
    const c = 1;
    const inputs = pointsOf(card, Float32Array, 3000, 40, c);
    const one = forward(card, inputs, { c, threads: 1 });
    const many = await operationOf(card)(...argumentsOf(card, inputs, { c, threads: 5 }));
    t.true(sameBits([many], [one]));
    const options = { c, threads: 1 };
    const atOnce = gradients(card, inputs, options, one);
    const gradC = new Float64Array(1);
    const args = argumentsOf(card, inputs, { c, threads: 5, gradC }, one);
    const later = await operationOf(card).vjp(...args);
    t.is(gradC[0], atOnce.c);
    if (card.parameter?.leading === true) t.is(later.shift(), atOnce.own);
    t.true(sameBits(later as Matrix[], atOnce.inputs));
  });

  test(`${name}: accepts zero rows`, (t) => {
    const inputs = pointsOf(card, Float64Array, 0, 4, 1);
    const out = forward(card, inputs, { c: 1 });
    t.deepEqual([out.rows, ...out.data], card.family === 'midpoint' ? [1, 0, 0, 0, 0] : [0]);
  });

  if (card.family === 'row' && card.inputs.length > 1) {
    test(`${name}: broadcasts an input of one row`, (t) => {
      const c = 0.5;
      const all = pointsOf(card, Float64Array, 700, 90, c);
      for (let place = 0; place < all.length; ++place) checkOneForAll(t, card, all, place, c);
    });
  }
}

/** Compares every element of the gradients of sum(weights * result) with finite differences. */
function checkGradients(t: ExecutionContext, card: RowCard, inputs: Matrix[], options: RowOptions): void {
  const out = forward(card, inputs, options);
  const weights = cloud(Float64Array, out.rows, out.cols, 1, 7);
  const value = (changed: Matrix[], other: RowOptions = options) =>
    inner(weights.data, forward(card, changed, other).data);
  const got = gradients(card, inputs, options, weights);
  const scale =
    inner(weights.data.map(Math.abs), out.data.map(Math.abs)) * referenceError.roundingOfDifferences;
  const part = allowed(Float64Array, card.tolerance.gradient, referenceError.differences);
  const byNumbers = allowed(Float64Array, card.tolerance.parameters, referenceError.differences);
  inputs.forEach((input, i) => {
    const want = Array.from(input.data, (x, at) =>
      slope(
        (h) => value(inputs.map((each, j) => (j === i ? moved(each, at, h) : each))),
        1e-4 * Math.max(1e-1, Math.abs(x)),
      ),
    );
    const difference = Math.hypot(...want.map((each, at) => each - got.inputs[i]!.data[at]!));
    const limit = part * Math.hypot(...want) + scale;
    t.true(difference <= limit, `input ${i}: off by ${difference}, allowed ${limit}`);
  });
  const near = (name: string, a: number, b: number) =>
    t.true(Math.abs(a - b) <= byNumbers * Math.abs(b) + scale, `${name}: ${a} against ${b}`);
  if (card.curved)
    near(
      'c',
      got.c,
      slope((h) => value(inputs, { ...options, c: options.c + h }), 1e-4 * options.c),
    );
  const own = ownOf(card);
  if (got.own !== undefined)
    near(
      'own',
      got.own,
      slope((h) => value(inputs, { ...options, own: own! + h })),
    );
}

function sameBits(a: readonly Matrix[], b: readonly Matrix[]): boolean {
  const bytes = ({ data }: Matrix) => Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return a.length === b.length && a.every((each, i) => bytes(each).equals(bytes(b[i] as Matrix)));
}

function checkOneForAll(t: ExecutionContext, card: RowCard, all: Matrix[], place: number, c: number): void {
  const { cols } = all[place]!;
  const row = all[place]!.data.slice(0, cols);
  const repeated = matrix(
    Float64Array.from({ length: 700 * cols }, (_, i) => row[i % cols]!),
    700,
    cols,
  );
  const short = all.map((each, i) => (i === place ? row : each));
  const long = all.map((each, i) => (i === place ? repeated : each));
  const out = forward(card, long, { c });
  t.deepEqual(forward(card, short, { c }), out);
  const got = gradients(card, short, { c }, out);
  const want = gradients(card, long, { c }, out);
  got.inputs.forEach((gradient, i) => {
    const whole = want.inputs[i]!.data;
    if (i !== place) {
      t.deepEqual(gradient.data, whole);
      return;
    }
    const sums = Array.from({ length: cols }, (_, k) =>
      inner(
        whole.filter((_, at) => at % cols === k),
        new Float64Array(700).fill(1),
      ),
    );
    close(t, gradient.data, sums, referenceError.sums, `input ${i}`);
  });
}
