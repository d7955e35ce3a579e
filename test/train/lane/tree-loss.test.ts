// Compares the losses of a class tree with explicit formulas: values and gradients through a network.
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { contrastiveLoss, matrix } from '../../../lib/index.ts';
import { ClassTree } from '../../../lib/train/data/class-tree.ts';
import type { Embedder } from '../../../lib/train/lane/embedder.ts';
import { HybridLoss } from '../../../lib/train/lane/loss.ts';
import { native, setThreads } from '../../../lib/train/lane/native.ts';
import { memory, Tensor } from '../../../lib/train/lane/tensor.ts';
import { TreeLoss, type TreeValues } from '../../../lib/train/lane/tree-loss.ts';
import { operations, table } from '../../oracle.ts';
import { networkError } from '../../tolerances.ts';
import { embed, flat, relativeError, tinyEmbedder } from '../helpers.ts';

const c = 0.6;
const [k, reach, temperature] = [0.1, 3, 1.5];
const logits = { geometry: 'hybrid', views: 2, tauE: 0.3, tauH: 0.7, lambda: 0.8, c, tied: false } as const;
const labels = Int32Array.of(0, 0, 1, 1, 2, 2, 3, 3);
const parents = [
  ['f/g', 'f'],
  ['f/g', 'f'],
  ['f/h', 'f'],
  ['i/j', 'i'],
];
const tree = ClassTree.of({ parents })!.batch(labels);

test.before(() => setThreads(1));

/** A network with points at different distances from the origin. */
async function network(): Promise<Embedder> {
  const model = await tinyEmbedder({ head: 'hyp-vit', c, clipR: 2.3 });
  const weight = (await model.state()).get('head.weight')!;
  await model.loadState(new Map([['head.weight', { ...weight, data: weight.data.map((x) => 2 * x) }]]));
  return model;
}

/** The cone and radius terms for ball points, in float64. */
function angles(points: readonly number[][]): Required<Omit<TreeValues, 'levels'>> {
  const below = Array.from(tree.nodeDepths, (_, node) =>
    Array.from(tree.rows).filter((_, i) => tree.nodes[i] === node),
  );
  const centers = below.map(
    (rows) => operations['weightedMidpoint']!([rows.map((row) => points[row]!)], { c, t: 0 })[0]!,
  );
  const number = (name: string, t: number, ...inputs: number[][]): number =>
    operations[name]!(
      inputs.map((row) => [row]),
      { c, t },
    )[0]![0]!;
  const pairs = Array.from(tree.nodes, (node, i) => [node, tree.rows[i]!] as const);
  const outside = pairs.map(([node, row]) => {
    const excess =
      number('exteriorAngle', 0, centers[node]!, points[row]!) - number('halfAperture', k, centers[node]!);
    return Math.max(0, excess);
  });
  const deviation = (point: number[], depth: number): number =>
    (number('dist0', 0, point) / reach - depth) ** 2;
  const deviations = [
    ...pairs.map(([node]) => deviation(centers[node]!, tree.nodeDepths[node]!)),
    ...points.map((point, row) => deviation(point, tree.rowDepths[row]!)),
  ];
  const mean = (values: number[]): number => values.reduce((sum, x) => sum + x, 0) / values.length;
  return { cones: mean(outside), radius: mean(deviations) };
}

/**
 * Compares the gradients of two networks. One backpropagates the loss plus the tree terms; the reference backpropagates
 * the plain loss and adds the expected gradients with respect to its outputs.
 */
async function compared(
  weights: TreeValues,
  gradients: (e: Float32Array, h: Float32Array) => [Float32Array, Float32Array],
  geometry: 'hybrid' | 'euclidean' | 'hyperbolic' = 'hybrid',
): Promise<{ values: TreeValues; points: Float32Array; added: number; error: number }> {
  using model = await network();
  using reference = await network();
  const loss = new HybridLoss({ ...logits, geometry, clipR: 2.3 });
  const scale = 5;
  using out = embed(model, labels.length);
  using objective = loss.apply(out, labels);
  using terms = new TreeLoss(loss, { weights, temperature, k, reach }).addTo(objective, out, tree, scale);
  objective.backward();
  const values = await terms.read();
  using again = embed(reference, labels.length);
  using plain = loss.apply(again, labels);
  plain.backward();
  const added = (await objective.read()).loss - (await plain.read()).loss;
  const points = await out.hyperbolic.data();
  const [ofE, ofH] = gradients(await out.euclidean.data(), points);
  for (const [name, gradient] of [
    ['euclidean', ofE],
    ['hyperbolic', ofH],
  ] as const) {
    using inputs = embed(reference, labels.length);
    inputs[name].backward(gradient.map((x) => scale * x));
  }
  const error = relativeError(flat(await model.gradients()), flat(await reference.gradients()));
  return { values, points, added, error };
}

test.serial('cones and radius: values and gradients equal the formulas', async (t) => {
  const weights = { cones: 0.7, radius: 1.3 };
  const { values, points, added, error } = await compared(weights, (e, h) => {
    const at = (x: readonly number[]): number => {
      const { cones, radius } = angles(table(x, 6));
      return weights.cones * cones + weights.radius * radius;
    };
    const slope = (_: number, i: number): number => {
      const moved = (by: number): number => at(Array.from(h, (x, place) => (place === i ? x + by : x)));
      return (moved(1e-5) - moved(-1e-5)) / 2e-5;
    };
    return [new Float32Array(e.length), Float32Array.from(h, slope)];
  });
  const wanted = angles(table(points, 6));
  t.true(wanted.cones > 0.01 && wanted.radius > 0.01, 'both are nonzero');
  t.true(relativeError([values.cones!, values.radius!], [wanted.cones, wanted.radius]) < networkError.layers);
  t.true(error < networkError.layerGradients, `${error}`);
  t.is(added, 0, 'the reported loss excludes the tree terms');
});

for (const geometry of ['hybrid', 'euclidean', 'hyperbolic'] as const) {
  test.serial(
    `${geometry}: levels adds the SupCon losses of the ancestors, at temperatures that depend on their heights`,
    async (t) => {
      t.deepEqual(
        tree.levels.map(({ height }) => height),
        [1, 2],
      );
      let wanted = 0;
      const ofLevels = (e: Float32Array, h: Float32Array): [Float32Array, Float32Array] => {
        const sums: [Float32Array, Float32Array] = [new Float32Array(e.length), new Float32Array(h.length)];
        for (const { height, groups } of tree.levels) {
          const factor = temperature ** height;
          const { loss, gradEuclidean, gradHyperbolic } = contrastiveLoss.sync({
            loss: 'supcon',
            geometry,
            euclidean: matrix(e, labels.length, 6),
            hyperbolic: matrix(h, labels.length, 6),
            labels: groups,
            tauE: factor * logits.tauE,
            tauH: factor * logits.tauH,
            lambda: logits.lambda,
            c,
          });
          wanted += loss / 2;
          for (const [i, gradient] of [gradEuclidean!, gradHyperbolic!].entries())
            for (const [at, x] of gradient.data.entries()) sums[i]![at]! += (0.9 * x) / 2;
        }
        return sums;
      };
      const { values, error } = await compared({ levels: 0.9 }, ofLevels, geometry);
      t.true(relativeError([values.levels!], [wanted]) < networkError.layers, `${values.levels}, ${wanted}`);
      t.true(error < networkError.layerGradients, `${error}`);
    },
  );
}

test.serial('accepts a batch without levels, and frees all handles', async (t) => {
  {
    using model = await network();
    using out = embed(model, 4);
    const loss = new HybridLoss(logits);
    using objective = loss.apply(out, Int32Array.of(0, 0, 3, 3));
    const of = ClassTree.of({ parents })!.batch(Int32Array.of(0, 0, 3, 3));
    const all = { levels: 1, cones: 1, radius: 1 };
    using terms = new TreeLoss(loss, { weights: all, temperature, k, reach }).addTo(objective, out, of, 1);
    objective.backward();
    const values = await terms.read();
    t.is(values.levels, 0);
    t.true(values.radius! > 0);
  }
  // The training thread frees these handles, and those of earlier tests, after the queued work.
  for (let i = 0; i < 500 && memory().handles > 0; i++) await sleep(10);
  t.is(memory().handles, 0);
});

test.serial('the addon itself checks the options of a level', async (t) => {
  using model = await network();
  using out = embed(model, labels.length);
  const { euclidean, hyperbolic } = out;
  const sound = { ...new HybridLoss(logits).options, geometryIndex: 0, lossIndex: 1 };
  const call = (options: object) =>
    native().levelLoss(euclidean.handle, hyperbolic.handle, { ...sound, ...options }, labels);
  for (const geometryIndex of [-1, 200, 256, 1.5])
    t.throws(() => call({ geometryIndex }), { code: 'ERR_HOROBALL_TYPE', message: /geometry/ });
  for (const lossIndex of [-1, 256, 0.5])
    t.throws(() => call({ lossIndex }), { code: 'ERR_HOROBALL_TYPE', message: /loss/ });
  t.throws(() => call({ compat: 'other' }), { code: 'ERR_HOROBALL_TYPE', message: /compat/ });
  using level = new Tensor(call({}), [1]);
  const [value] = await level.data();
  t.true(value! > 0);
});
