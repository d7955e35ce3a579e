// contrastiveLoss against the formulas over many settings: temperatures from 0.05 to 1, scales and margins, curvatures,
// geometries, and classes of different sizes. The tolerances are those of the loss cards.
import test, { type ExecutionContext } from 'ava';
import { parametersOf } from '../lib/batch-loss.ts';
import { type ContrastiveLossName, contrastiveLosses, geometries } from '../lib/card-names.ts';
import { geometryCard, lossCards } from '../lib/cards.ts';
import { contrastiveLoss, type Geometry, type Matrix, matrix, normalize } from '../lib/index.ts';
import { batch, optionsOf, samplesOf } from './loss-batch.ts';
import { type Heads, type LogitNumbers, pairLoss, type SimilarityNumbers, slopeOf } from './oracle.ts';
import { close, cloud, type RealsType, types } from './support.ts';
import { allowed, referenceError } from './tolerances.ts';

const [rows, refRows, cols] = [15, 9, 4];

const logits: readonly LogitNumbers[] = [
  { tauE: 1, tauH: 1, lambda: 1, c: 1 },
  { tauE: 0.2, tauH: 0.5, lambda: 1, c: 3 },
  { tauE: 0.1, tauH: 0.2, lambda: 0.5, c: 0.1 },
  { tauE: 0.5, tauH: 0.1, lambda: 0.3, c: 0.01 },
  { tauE: 0.05, tauH: 0.2, lambda: 3, c: 0.1 },
  { tauE: 0.05, tauH: 0.05, lambda: 1, c: 0.1 },
];
const similarities: readonly SimilarityNumbers[] = [
  { alpha: 2, beta: 50, base: 0.5, margin: 0.1 },
  { alpha: 32, beta: 32, base: 0, margin: 0.1 },
  { alpha: 0.5, beta: 1, base: -1, margin: 0 },
  { alpha: 2, beta: 7, base: 0.3, margin: 1 },
];
/** Labels: unordered classes of different sizes; one large class, a pair and single rows; pairs and one single row. */
const labelings: Readonly<Record<string, readonly number[]>> = {
  ragged: Array.from({ length: rows }, (_, i) => ((i * i * 7) % 11) % 6),
  'one large': Array.from({ length: rows }, (_, i) => (i < 9 ? 0 : i < 11 ? 1 : i)),
  pairs: Array.from({ length: rows }, (_, i) => i >> 1),
};
const refLabels = Array.from({ length: refRows }, (_, i) => (i * 5) % 8);

type Sides = Record<'euclidean' | 'hyperbolic', Matrix>;

function batchOf(type: RealsType, geometry: Geometry, c: number): { anchors: Sides; references: Sides } {
  const all = batch(type, rows + refRows, cols, c, geometry);
  const part = ({ data, cols: width }: Matrix, from: number, to: number) =>
    matrix(data.slice(from * width, to * width), to - from, width);
  const sides = (from: number, to: number): Sides => ({
    euclidean: part(all.euclidean, from, to),
    hyperbolic: part(all.hyperbolic, from, to),
  });
  return { anchors: sides(refRows, rows + refRows), references: sides(0, refRows) };
}

/** The gradient of `value` with respect to every number of `table`. */
function slopesOf(table: readonly number[][], value: () => number, step: number): number[] {
  return table.flatMap((row) =>
    row.map((number, k) => {
      const slope = slopeOf((shift) => {
        row[k] = number + shift;
        return value();
      }, step);
      row[k] = number;
      return slope;
    }),
  );
}

interface Case {
  readonly geometry: Geometry;
  readonly loss: ContrastiveLossName;
  readonly settings: LogitNumbers & SimilarityNumbers;
  readonly labels: readonly number[];
  readonly hasRef: boolean;
}

/** The core's result for a case, its samples, and a function that evaluates the formula with other parameters. */
function computed(type: RealsType, { geometry, loss, settings, labels, hasRef }: Case) {
  const { anchors, references } = batchOf(type, geometry, settings.c);
  const given = { ...settings, geometry, loss, reduction: 'mean' } as const;
  const options = { ...anchors, ...optionsOf(loss, settings), geometry, labels, reduction: 'mean' } as const;
  const ref = hasRef ? { ref: { ...references, labels: refLabels } } : {};
  const got = contrastiveLoss.sync<Float64Array | Float32Array>({ ...options, ...ref });
  const [x, y] = [samplesOf(anchors), hasRef ? samplesOf(references) : null];
  const candidates = hasRef ? refLabels : labels;
  const isPositive = (i: number, j: number): boolean => labels[i] === candidates[j];
  const value = (other: Partial<LogitNumbers> = {}): number =>
    pairLoss(x, y, { ...given, ...other, isPositive });
  return { got, x, value };
}

function checkGradients(t: ExecutionContext, type: RealsType, one: Case, what: string): void {
  const { got, x, value } = computed(type, one);
  const { tolerance } = cardOf(one.loss);
  const { inner, distance } = geometryCard(one.geometry);
  const { tauE, tauH, beta } = one.settings;
  // The step is small relative to the scale on which the terms change.
  const scaled = hasScales(one.loss);
  const step = (1.5e-3 * Math.min(tauE, tauH)) / (scaled ? Math.max(1, beta) : 1);
  const reference = scaled ? referenceError.steepTerms : referenceError.sevenPoints;
  const rowsOf = (side: keyof Heads) => x.map((each) => each[side] as number[]);
  const limit = allowed(type, tolerance.gradient, reference);
  if (inner) close(t, got.gradEuclidean!.data, slopesOf(rowsOf('e'), value, step), limit, `${what}, e`);
  if (distance !== null)
    close(t, got.gradHyperbolic!.data, slopesOf(rowsOf('h'), value, step), limit, `${what}, h`);
  const names = ['tauE', 'tauH', 'lambda', 'c'] as const;
  const slope = (name: (typeof names)[number]) =>
    slopeOf((shift) => value({ [name]: one.settings[name] + shift }), step * Math.min(1, one.settings[name]));
  close(
    t,
    names.map((name) => got.gradParams![name]),
    names.map(slope),
    allowed(type, tolerance.parameters, reference),
    `${what}, parameters`,
  );
}

const cardOf = (loss: ContrastiveLossName) => lossCards().find(({ name }) => name === loss)!;
const hasScales = (loss: ContrastiveLossName): boolean => Object.keys(parametersOf(loss)).length > 0;

for (const geometry of geometries) {
  for (const loss of contrastiveLosses) {
    test(`${geometry} ${loss}: values and gradients are as accurate as the card states`, (t) => {
      for (const numbers of logits) {
        for (const similarity of hasScales(loss) ? similarities : similarities.slice(0, 1)) {
          const settings = { ...numbers, ...similarity };
          for (const type of types) {
            const what = `${type.name} ${JSON.stringify(settings)}`;
            for (const [kind, labels] of Object.entries(labelings)) {
              for (const hasRef of [false, true]) {
                const { got, value } = computed(type, { geometry, loss, settings, labels, hasRef });
                const limit = allowed(type, cardOf(loss).tolerance.value);
                close(t, [got.loss], [value()], limit, `${what} ${kind} ${hasRef}`);
              }
            }
            const labels = labelings['ragged']!;
            checkGradients(t, type, { geometry, loss, settings, labels, hasRef: false }, what);
          }
        }
      }
    });
  }
}

test('a mean does not depend on the scale of the weights, even if their sum or float32 products overflow', (t) => {
  for (const type of types)
    for (const reduction of ['mean', 'anchor-mean'] as const) {
      const { euclidean, hyperbolic } = batch(type, 6, 4, 0.5);
      const result = (scale: number) => {
        const weights = [1, 1.5, 0.5, 1.25, 0, 0.75].map((weight) => scale * weight);
        const labels = [0, 1, 0, 1, 2, 2];
        return contrastiveLoss.sync({ euclidean, hyperbolic, c: 0.5, labels, weights, reduction });
      };
      for (const exponent of [-1070, -200, 200, 1023])
        t.deepEqual(result(2 ** exponent), result(1), `${type.name} ${reduction} ${exponent}`);
    }
});

test('a list of label columns that changes during the call does not change the loss', (t) => {
  const [first, second, ...others] = [
    [0, 0, 1, 1],
    [0, 1, 1, 0],
    [0, 0, 0, 0],
  ];
  const loss = (labels: readonly ArrayLike<number>[]) =>
    contrastiveLoss.sync({ ...batch(Float64Array, 4, 3, 0.5), c: 0.5, labels });
  const columns: ArrayLike<number>[] = [first!, second!];
  const expected = loss(columns);
  columns[0] = Object.defineProperty([...first!], 0, {
    get: () => {
      columns.push(...others);
      return 0;
    },
  });
  t.deepEqual(loss(columns), expected);
  t.is(columns.length, 3);
});

test('losses of pytorch-metric-learning in other forms, as lib/guide/migration.md maps them', (t) => {
  const labels = [0, 1, 2, 0, 1, 2, 0];
  const x = cloud(Float64Array, labels.length, 5, 1, 1);
  const unit = normalize.sync(x).toArray();
  const proxies = cloud(Float64Array, 3, 5, 1, 2);
  const unitProxies = normalize.sync(proxies).toArray();
  const dot = (a: readonly number[], b: readonly number[]) =>
    a.reduce((sum, value, i) => sum + value * b[i]!, 0);
  const logSum = (values: readonly number[]) =>
    Math.log(values.reduce((sum, value) => sum + Math.exp(value), 0));
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
  const base = { euclidean: x, labels, geometry: 'euclidean', normalize: true } as const;
  const limit = referenceError.metricLearning.float64;

  const temperature = 0.05; // of NormalizedSoftmaxLoss, the cross entropy over the proxies
  const softmax = unit.map((row, i) => {
    const logits = unitProxies.map((proxy) => dot(row, proxy) / temperature);
    return logSum(logits) - logits[labels[i]!]!;
  });
  const ref = { euclidean: proxies, labels: [0, 1, 2] };
  const byProxies = contrastiveLoss.sync({ ...base, ref, loss: 'ntxent', tauE: temperature });
  close(t, [byProxies.loss], [mean(softmax)], limit, 'NormalizedSoftmaxLoss');

  // NCALoss takes squared distances, and sums over the positives inside the logarithm. supcon-in averages over them, which
  // adds the logarithm of their number.
  const scale = 4;
  const nca = unit.map((row, i) => {
    const others = [...unit.keys()].filter((j) => j !== i);
    const logit = (j: number) => -scale * (2 - 2 * dot(row, unit[j]!));
    const positives = others.filter((j) => labels[j] === labels[i]);
    return logSum(others.map(logit)) - logSum(positives.map(logit)) + Math.log(positives.length);
  });
  const inside = contrastiveLoss.sync({ ...base, loss: 'supcon-in', tauE: 1 / (2 * scale) });
  close(t, [inside.loss], [mean(nca)], limit, 'NCALoss');

  const pairs = unit.slice(0, 3).map((anchor, i) => {
    const logits = unit.slice(3, 6).map((positive) => dot(anchor, positive));
    return logSum(logits) - logits[i]!;
  });
  const part = (from: number) => matrix(x.data.subarray(5 * from, 5 * from + 15), 3, 5);
  const anchors = { ...base, euclidean: part(0), labels: [0, 1, 2] };
  const npairs = contrastiveLoss.sync({
    ...anchors,
    ref: { euclidean: part(3), labels: [0, 1, 2] },
    loss: 'ntxent',
    tauE: 1,
  });
  close(t, [npairs.loss], [mean(pairs)], limit, 'NPairsLoss');
});
