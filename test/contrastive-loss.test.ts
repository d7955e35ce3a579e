import test from 'ava';
import { contrastiveLosses, geometries } from '../lib/card-names.ts';
import { geometryCard, lossCards } from '../lib/cards.ts';
import {
  type ContrastiveLossOptions,
  contrastiveLoss,
  type Geometry,
  type Matrix,
  matrix,
  type PositiveMask,
} from '../lib/index.ts';
import { pairReductions } from '../lib/loss-types.ts';
import { batch, optionsOf, samplesOf } from './loss-batch.ts';
import { limitsIn } from './metric-cases.ts';
import { type Heads, head, norm, pairLoss, pairLosses, slopeOf } from './oracle.ts';
import { close, noise, type RealsType } from './support.ts';
import { allowed, referenceError } from './tolerances.ts';

const numbers = { tauE: 0.6, tauH: 0.9, lambda: 1.3, c: 0.6, alpha: 2, beta: 7, base: 0.3, margin: 0.2 };
const [rows, refRows, cols] = [15, 9, 4];

/** Labels of classes of different sizes. */
const labels = Array.from({ length: rows }, (_, i) => ((i * i * 7) % 11) % 6);
const refLabels = Array.from({ length: refRows }, (_, i) => (i * 5) % 8);
const second = Array.from({ length: rows }, (_, i) => (i * 13) % 17);
const refSecond = Array.from({ length: refRows }, (_, i) => (i * 3) % 17);
const weights = Array.from({ length: rows }, (_, i) => (i === 4 ? 0 : 0.5 + (i % 3)));

/** A mask in CSR format. */
function maskOf(
  anchors: number,
  candidates: number,
  isPositive: (i: number, j: number) => boolean,
): PositiveMask {
  const indptr = [0];
  const indices: number[] = [];
  for (let i = 0; i < anchors; ++i) {
    for (let j = 0; j < candidates; ++j) if (isPositive(i, j)) indices.push(j);
    indptr.push(indices.length);
  }
  return { indptr, indices };
}

/** The positive pairs, as options of the loss and as a function of two row numbers. */
interface Pairing {
  readonly options: Pick<ContrastiveLossOptions, 'labels' | 'positives'>;
  readonly refLabels?: ContrastiveLossOptions['labels'];
  readonly isPositive: (i: number, j: number) => boolean;
}

const share = (i: number, j: number) => i % 5 !== 0 && j % 5 !== 0 && (i + j) % 4 === 0 && i !== j;
const pairings: Readonly<Record<string, Pairing>> = {
  labels: { options: { labels }, isPositive: (i, j) => labels[i] === labels[j] },
  columns: {
    options: { labels: [labels, second] },
    isPositive: (i, j) => labels[i] === labels[j] || second[i] === second[j],
  },
  mask: { options: { positives: maskOf(rows, rows, share) }, isPositive: share },
};
const refPairings: Readonly<Record<string, Pairing>> = {
  labels: { options: { labels }, refLabels, isPositive: (i, j) => labels[i] === refLabels[j] },
  columns: {
    options: { labels: [labels, second] },
    refLabels: [refLabels, refSecond],
    isPositive: (i, j) => labels[i] === refLabels[j] || second[i] === refSecond[j],
  },
  mask: {
    options: { positives: maskOf(rows, refRows, (i, j) => (3 * i + j) % 7 === 0) },
    isPositive: (i, j) => (3 * i + j) % 7 === 0,
  },
};

type Sides = Record<'euclidean' | 'hyperbolic', Matrix>;

function batchOf(type: RealsType, geometry: Geometry): { anchors: Sides; references: Sides } {
  const all = batch(type, rows + refRows, cols, numbers.c, geometry);
  const part = ({ data, cols }: Matrix, from: number, to: number) =>
    matrix(data.slice(from * cols, to * cols), to - from, cols);
  const sides = (from: number, to: number): Sides => ({
    euclidean: part(all.euclidean, from, to),
    hyperbolic: part(all.hyperbolic, from, to),
  });
  // The norms of the points increase with the row index, so the points of the references have smaller norms.
  return { anchors: sides(refRows, rows + refRows), references: sides(0, refRows) };
}

/** Returns the numerical gradient of `value` with respect to every number in `rows`. */
function slopesOf(rows: readonly number[][], value: () => number): number[] {
  return rows.flatMap((row) =>
    row.map((number, k) => {
      const slope = slopeOf((shift) => {
        row[k] = number + shift;
        return value();
      });
      row[k] = number;
      return slope;
    }),
  );
}

for (const geometry of geometries) {
  const { inner, distance, tolerance } = geometryCard(geometry);
  for (const loss of contrastiveLosses) {
    for (const hasRef of [false, true]) {
      for (const [kind, pairing] of Object.entries(hasRef ? refPairings : pairings)) {
        const reduction = pairReductions[Object.keys(pairings).indexOf(kind)]!;
        const title = `${geometry} ${loss} by ${kind}${hasRef ? ' against references' : ''}, ${reduction}`;
        test(`${title}: value and gradients agree with the formula`, async (t) => {
          const { anchors, references } = batchOf(Float64Array, geometry);
          const settings = { ...numbers, geometry, loss, reduction, weights };
          const ref = { ...references, labels: pairing.refLabels };
          const options = {
            ...{ ...anchors, ...optionsOf(loss, numbers), geometry, reduction, weights },
            ...{ ...pairing.options, ...(hasRef ? { ref } : {}) },
          };
          const got = await contrastiveLoss<Float64Array | Float32Array>(options);
          const [x, y] = [samplesOf(anchors) as Mutable[], samplesOf(references) as Mutable[]];
          const given = { ...settings, isPositive: pairing.isPositive };
          const value = () => pairLoss(x, hasRef ? y : null, given);
          close(t, [got.loss], [value()], tolerance.value.float64, 'loss');
          const limit = allowed(Float64Array, tolerance.gradient, referenceError.sevenPoints);
          const zeros = (side: 'e' | 'h', of: Mutable[]) => of.flatMap((each) => each[side].map(() => 0));
          const gradient = (side: 'e' | 'h', of: Mutable[]) =>
            (side === 'e' ? inner : distance !== null)
              ? slopesOf(
                  of.map((each) => each[side]),
                  value,
                )
              : zeros(side, of);
          close(t, got.gradEuclidean!.data, gradient('e', x), limit, 'euclidean');
          close(t, got.gradHyperbolic!.data, gradient('h', x), limit, 'hyperbolic');
          if (hasRef) {
            close(t, got.gradRefEuclidean!.data, gradient('e', y), limit, 'ref.euclidean');
            close(t, got.gradRefHyperbolic!.data, gradient('h', y), limit, 'ref.hyperbolic');
          }
          const names = ['tauE', 'tauH', 'lambda', 'c'] as const;
          const want = names.map((name) =>
            slopeOf((shift) => pairLoss(x, hasRef ? y : null, { ...given, [name]: numbers[name] + shift })),
          );
          close(
            t,
            names.map((name) => got.gradParams![name]),
            want,
            allowed(Float64Array, tolerance.parameters, referenceError.sevenPoints),
            'parameters',
          );
          const single = batchOf(Float32Array, geometry);
          const near = contrastiveLoss.sync<Float64Array | Float32Array>({
            ...options,
            ...single.anchors,
            ...(hasRef ? { ref: { ...ref, ...single.references } } : {}),
          });
          const rounded = limitsIn(Float32Array, tolerance);
          close(t, [near.loss], [got.loss], rounded.value, 'float32 loss');
          close(
            t,
            near.gradHyperbolic!.data,
            got.gradHyperbolic!.data,
            rounded.gradient,
            'float32 hyperbolic',
          );
          close(t, near.gradEuclidean!.data, got.gradEuclidean!.data, rounded.gradient, 'float32 euclidean');
        });
      }
    }
  }
}

interface Mutable {
  e: number[];
  h: number[];
}

test('the oracle has the formula of every card', (t) => {
  t.deepEqual(
    lossCards().map(({ name }) => name),
    [...contrastiveLosses],
  );
  t.deepEqual(Object.keys(pairLosses).sort(), [...contrastiveLosses].sort());
});

for (const geometry of ['hybrid', 'lorentz'] as const) {
  for (const loss of contrastiveLosses) {
    test(`${geometry} ${loss}: equals the formula for tied heads, normalized rows and references`, (t) => {
      const next = noise(5);
      const made = (count: number) =>
        Array.from({ length: count }, () => Array.from({ length: cols }, () => next()));
      const [a, b] = [made(rows), made(refRows)];
      const settings = { ...numbers, geometry, loss, reduction: 'mean' } as const;
      const heads = (given: number[][]): Heads[] => {
        const unit = given.map((row) => row.map((value) => value / norm(row)));
        const points = head(unit, { c: numbers.c, clip: 0.8 });
        return unit.map((e, i) => ({ e, h: points[i]! }));
      };
      // Tied heads have points in the ball, so the distance of `lorentz` equals that of `hyperbolic`.
      const formula = { ...settings, geometry: geometry === 'lorentz' ? 'hyperbolic' : geometry };
      const value = () =>
        pairLoss(heads(a), heads(b), { ...formula, isPositive: refPairings['labels']!.isPositive });
      const got = contrastiveLoss.sync({
        ...{
          ...optionsOf(loss, numbers),
          geometry,
          euclidean: matrix(a),
          normalize: true,
          clipR: 0.8,
          labels,
        },
        tied: true,
        ref: { euclidean: matrix(b), labels: refLabels },
      });
      const { tolerance } = geometryCard(geometry);
      close(t, [got.loss], [value()], tolerance.value.float64, 'loss');
      const limit = allowed(Float64Array, tolerance.gradient, referenceError.sevenPoints);
      close(t, got.gradEuclidean!.data, slopesOf(a, value), limit, 'euclidean');
      close(t, got.gradRefEuclidean!.data, slopesOf(b, value), limit, 'ref.euclidean');
      t.is(got.gradHyperbolic, undefined);
    });
  }
}

test('agrees with the formula for more rows than a block, in any order', (t) => {
  const next = noise(3);
  const count = 331;
  const many = Array.from({ length: count }, () => Math.floor(40 * (next() + 1) ** 2));
  const { euclidean, hyperbolic } = batch(Float64Array, count, 3, numbers.c);
  const x = samplesOf({ euclidean, hyperbolic });
  for (const loss of contrastiveLosses) {
    for (const isPositive of [
      (i: number, j: number) => many[i] === many[j],
      (i: number, j: number) => (i * j) % 97 === 5,
    ]) {
      const settings = { ...numbers, geometry: 'hybrid', loss, reduction: 'mean' } as const;
      const positives = maskOf(count, count, (i, j) => i !== j && isPositive(i, j));
      const want = pairLoss(x, null, { ...settings, isPositive });
      const given = { ...optionsOf(loss, numbers), euclidean, hyperbolic };
      const byMask = contrastiveLoss.sync({ ...given, positives });
      close(t, [byMask.loss], [want], referenceError.sums, loss);
      if (isPositive(0, 0) === false) continue;
      const byLabel = contrastiveLoss.sync({ ...given, labels: many });
      close(t, [byLabel.loss], [want], referenceError.sums, loss);
      close(
        t,
        byLabel.gradHyperbolic!.data,
        byMask.gradHyperbolic!.data,
        referenceError.sums,
        `${loss}: gradient`,
      );
      close(t, byLabel.losses, byMask.losses, referenceError.sums, `${loss}: of each anchor`);
    }
  }
});

test('references do not require a gradient', (t) => {
  const { anchors, references } = batchOf(Float64Array, 'hybrid');
  const options = { ...anchors, labels, c: 0.6, ref: { ...references, labels: refLabels } };
  const all = contrastiveLoss.sync(options);
  const memory = contrastiveLoss.sync({ ...options, ref: { ...options.ref, grad: false } });
  t.deepEqual(memory.gradEuclidean, all.gradEuclidean);
  t.deepEqual(memory.gradHyperbolic, all.gradHyperbolic);
  t.deepEqual(memory.gradParams, all.gradParams);
  t.is(memory.gradRefEuclidean, undefined);
  const value = contrastiveLoss.sync({ ...options, grad: false });
  t.deepEqual(Object.keys(value).sort(), ['loss', 'losses']);
  t.is(value.loss, all.loss);
});
