// `node dist/test/advise-trial.js`: evaluates the rule of `horoball advise` on generated trees of depth 1 to 4. The rule
// sees only the features. The better geometry is the one in which a linear map to 4 dimensions, trained with NT-Xent, has
// the higher MAP@R on unseen classes, averaged over three initial maps. Prints one line per tree, and the number of correct
// predictions.
import { adviceOn, shapeOf } from '../lib/advise.ts';
import {
  contrastiveLoss,
  type DenseMatrix,
  expmap0,
  type Matrix,
  matrix,
  normalize,
  retrievalMetrics,
} from '../lib/index.ts';
import { ArrayAdamW } from '../lib/layers/array-adamw.ts';
import { type Random, random } from '../lib/random.ts';

const branches = [24, 6, 3, 2] as const;
const [width, dim, perClass, steps, seeds, c] = [32, 4, 6, 80, 3, 1];
const threads = 1;

const normal = (next: Random): number =>
  Math.sqrt(-2 * Math.log(1 - next())) * Math.cos(2 * Math.PI * next());

interface Tree {
  readonly x: DenseMatrix<Float64Array>;
  readonly labels: number[];
}

/** The features and classes of a tree whose edges shrink by `ratio` per level. */
function treeOf(depth: number, ratio: number, seed: number): Tree {
  const next = random(seed, depth, 100 * ratio);
  const step = (from: readonly number[], size: number): number[] =>
    from.map((value) => value + size * normal(next));
  let nodes: number[][] = [Array.from({ length: width }, () => 0)];
  for (let level = 0; level < depth; level++)
    nodes = nodes.flatMap((node) =>
      Array.from({ length: branches[depth - 1]! }, () => step(node, ratio ** level)),
    );
  const noise = 0.7 * ratio ** (depth - 1);
  const rows = nodes.flatMap((node) => Array.from({ length: perClass }, () => step(node, noise)));
  const labels = nodes.flatMap((_, label) => Array.from({ length: perClass }, () => label));
  return { x: matrix(rows), labels };
}

/** Returns the rows of the even classes (parity 0), which are used for training, or of the odd ones (parity 1). */
function partOf({ x, labels }: Tree, parity: number): Tree {
  const kept = labels.flatMap((label, i) => (label % 2 === parity ? [i] : []));
  return { x: matrix(kept.map((i) => x.row(i))), labels: kept.map((i) => labels[i]!) };
}

function times(x: Matrix, w: Matrix): Matrix<Float64Array> {
  const out = matrix(new Float64Array(x.rows * w.rows), x.rows, w.rows);
  for (let i = 0; i < x.rows; i++)
    for (let j = 0; j < w.rows; j++)
      for (let k = 0; k < x.cols; k++)
        out.data[i * w.rows + j]! += x.data[i * x.cols + k]! * w.data[j * w.cols + k]!;
  return out;
}

const say = (line: string): boolean => process.stdout.write(`${line}\n`);

const radius = 2.3;
/**
 * Scales rows with a norm above `radius` down to norm `radius`, as a head does. Unlike a head, this script treats the factors
 * as constants in the backward pass.
 */
function clipped(z: Matrix<Float64Array>): { u: Matrix<Float64Array>; factors: number[] } {
  const u = matrix(z.data.slice(), z.rows, z.cols);
  const factors = Array.from({ length: z.rows }, (_, i) => {
    const row = u.data.subarray(i * z.cols, (i + 1) * z.cols);
    const factor = Math.min(1, radius / Math.hypot(...row));
    for (let k = 0; k < row.length; k++) row[k]! *= factor;
    return factor;
  });
  return { u, factors };
}

/** Trains a linear map on the even classes with the loss of a geometry, and returns MAP@R on the odd classes. */
function trained(tree: Tree, geometry: 'hyperbolic' | 'euclidean', seed: number): number {
  const [train, test] = [partOf(tree, 0), partOf(tree, 1)];
  const next = random(seed, 0xa1);
  const value = matrix(
    Float64Array.from({ length: dim * width }, () => normal(next) / Math.sqrt(width)),
    dim,
    width,
  );
  const optimizer = new ArrayAdamW([{ name: 'w', value, space: 'vector' }], { lr: 0.02, weightDecay: 0 });
  for (let step = 0; step < steps; step++) {
    const z = times(train.x, value);
    let byZ: Float64Array;
    if (geometry === 'euclidean') {
      const { gradEuclidean } = contrastiveLoss.sync({
        ...{ euclidean: z, normalize: true, labels: train.labels, geometry, tauE: 0.1, threads },
      });
      byZ = gradEuclidean!.data as Float64Array;
    } else {
      const { u, factors } = clipped(z);
      const hyperbolic = expmap0.sync(u, { c });
      const { gradHyperbolic } = contrastiveLoss.sync({
        ...{ hyperbolic, labels: train.labels, geometry, tauH: 0.2, c, threads },
      });
      const [byU] = expmap0.vjp.sync(u, gradHyperbolic as Matrix<Float64Array>, { c });
      byZ = byU.data.map((gradient, i) => gradient * factors[Math.floor(i / dim)]!);
    }
    const gradient = matrix(new Float64Array(dim * width), dim, width);
    for (let i = 0; i < train.x.rows; i++)
      for (let j = 0; j < dim; j++)
        for (let k = 0; k < width; k++)
          gradient.data[j * width + k]! += byZ[i * dim + j]! * train.x.data[i * width + k]!;
    optimizer.step(new Map([['w', gradient]]));
  }
  const z = times(test.x, value);
  return geometry === 'euclidean'
    ? retrievalMetrics.sync(normalize.sync(z), test.labels, { metric: 'cosine', threads }).mapAtR
    : retrievalMetrics.sync(expmap0.sync(clipped(z).u, { c }), test.labels, { c, threads }).mapAtR;
}

let [hits, trees, hyperbolicWins, predicted] = [0, 0, 0, 0];
for (const depth of [1, 2, 3, 4])
  for (const ratio of [0.5, 1])
    for (const seed of [11, 12, 13]) {
      const tree = treeOf(depth, ratio, seed);
      const shape = await shapeOf(tree.x);
      const { geometry } = adviceOn(shape);
      const mean = (of: 'hyperbolic' | 'euclidean'): number => {
        let sum = 0;
        for (let start = 0; start < seeds; start++) sum += trained(tree, of, start);
        return sum / seeds;
      };
      const [inBall, onSphere] = [mean('hyperbolic'), mean('euclidean')];
      const better = inBall > onSphere ? 'hyperbolic' : 'euclidean';
      hits += Number(better === geometry);
      hyperbolicWins += Number(better === 'hyperbolic');
      predicted += Number(geometry === 'hyperbolic');
      trees++;
      const numbers = [shape.delta, shape.spread, inBall, onSphere].map((each) => each.toFixed(3)).join('  ');
      say(
        `depth ${depth}  ratio ${ratio}  delta, spread, MAP@R: ${numbers}  advice ${geometry}, better ${better}`,
      );
    }
say(`${hits} of ${trees} correct; hyperbolic advised ${predicted} times, better ${hyperbolicWins} times`);
