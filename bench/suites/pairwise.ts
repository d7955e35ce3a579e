import { type Matrix, matrix, type PairwiseOptions, pairwiseDistance, type Reals } from '../../lib/index.ts';
import { distances, hypmixDistance, table } from '../../test/oracle.ts';
import { ballPoints, nearby, reals, type Type, unitRows } from '../inputs.ts';
import { type JsPeers, needed, plainDistances, simsimdDistances, tfjsDistances } from '../js-peers.ts';
import type { PeerInput } from '../peers/client.ts';
import type { Bar, Labels } from '../rows.ts';
import type { MatrixShape } from '../shapes.ts';
import { difference, type OwnSide, type PeerSide, type Suite } from '../suite.ts';

const c = 0.1;
/** From here on a B x B x D tensor or a loop over pairs takes seconds. */
const slowRows = 1000;
const metrics = ['poincare', 'lorentz', 'euclidean', 'cosine', 'chordal'] as const;

/** Distance matrices of two different sets; `reference` of the ratios is the float32 Poincare card. */
export function pairwiseSuite(shape: MatrixShape, threads: number, js: JsPeers): Suite {
  const { rows: n, dim } = shape;
  const x = ballPoints(unitRows(n, dim, 2, 1, 'float32'), c, 2);
  const y = ballPoints(unitRows(n, dim, 2, 3, 'float32'), c, 4);
  const flops = 2 * n * n * dim;
  const labels = (over: Partial<Labels> = {}): Labels => ({
    op: 'pairwiseDistance',
    shape: shape.name,
    n,
    m: n,
    dim,
    views: 0,
    type: 'float32',
    geometry: 'poincare',
    heads: '',
    guards: 'clean',
    pass: 'forward',
    ...over,
  });
  const forward = (
    name: string,
    a: Matrix,
    b: Matrix | undefined,
    options: PairwiseOptions,
    over: Partial<Labels>,
  ) => {
    const out = matrix(reals(over.type === 'float64' ? 'float64' : 'float32', n * n), n, n);
    const all = { c, threads, ...options, out };
    return {
      name,
      labels: labels(over),
      flops,
      run: () => pairwiseDistance.sync(a, b, all),
      probe: () => corner(pairwiseDistance.sync(a, b, all)),
    } satisfies OwnSide;
  };
  const cards = metrics.map((metric) => {
    const [a, b] = metric === 'lorentz' ? [onSheet(x), onSheet(y)] : [x, y];
    return forward(metric, a, b, { metric }, { geometry: metric, dim: a.cols });
  });
  const [wideX, wideY] = [asType(x, 'float64'), asType(y, 'float64')];
  const own: OwnSide[] = [
    ...cards.map((side) =>
      side.name === 'poincare' ? { ...side, peak: true } : { ...side, against: 'poincare' },
    ),
    {
      ...forward('with itself', x, undefined, {}, { shape: `${shape.name}, y = x` }),
      flops: n * (n + 1) * dim,
    },
    forward('float64', wideX, wideY, {}, { type: 'float64' }),
    { ...forward('compat', x, y, { compat: 'hypmix' }, { guards: 'compat' }), against: 'poincare' },
    {
      ...forward('near pairs', x, nearby(x, 1e-3, 5), {}, { shape: `${shape.name}, every row near one` }),
      against: 'poincare',
    },
    ...(['poincare', 'euclidean'] as const).map((metric) => vjp(metric, x, y, threads, labels, flops)),
  ];
  if (shape.rows < slowRows) own.push(...javascriptSides(x, y, labels, js));
  return {
    name: `pairwise ${shape.name}`,
    arrays: { x: input(x), y: input(y) },
    own,
    peers: pairwisePeers(shape, labels, flops),
    peakRate: ['torch sgemm', 'numpy sgemm'],
    check: () => checkDistances(own, x, y, wideX, wideY),
  };
}

function vjp(
  metric: 'poincare' | 'euclidean',
  x: Matrix,
  y: Matrix,
  threads: number,
  labels: (over: Partial<Labels>) => Labels,
  flops: number,
): OwnSide {
  const cotangent = matrix(new Float32Array(x.rows * y.rows).fill(1), x.rows, y.rows);
  return {
    name: `${metric} backward`,
    labels: labels({ geometry: metric, pass: 'backward' }),
    flops: 3 * flops,
    run: () => pairwiseDistance.vjp.sync(x, y, cotangent, { metric, c, threads }),
    ...(metric === 'poincare' ? {} : { against: 'poincare backward' }),
  };
}

/** Other ways of a Node program, in this process. */
function javascriptSides(
  x: Matrix,
  y: Matrix,
  labels: (over: Partial<Labels>) => Labels,
  js: JsPeers,
): OwnSide[] {
  const out = new Float32Array(x.rows * y.rows);
  const side = (name: string, run: () => Float32Array): OwnSide => ({
    name,
    side: name,
    labels: labels({}),
    run,
    probe: () => corner({ data: run(), rows: x.rows, cols: y.rows }),
    against: 'poincare',
    same: { as: 'poincare', within: 1e-3 },
  });
  return [
    side('plain TypeScript loops', () => plainDistances(x, y, c, out)),
    side('simsimd, a pair a call', () => simsimdDistances(needed(js.simsimd), x, y, c, out)),
    side('tfjs (wasm)', () => tfjsDistances(needed(js.tfjs), x, y, c)),
  ];
}

function pairwisePeers(
  shape: MatrixShape,
  labels: (over: Partial<Labels>) => Labels,
  flops: number,
): PeerSide[] {
  const inputs = { x: 'x', y: 'y' };
  const peer = (name: string, as: string, bar?: Bar, over: Partial<Labels> = {}): PeerSide => ({
    name,
    labels: labels({
      geometry: as === 'compat' ? 'poincare' : as,
      guards: as === 'compat' ? 'compat' : 'clean',
      ...over,
    }),
    params: { c },
    inputs,
    against: as === 'euclidean' ? 'poincare' : as,
    same: { as, within: 1e-3 },
    ...(bar === undefined ? {} : { bar }),
  });
  const product = (name: string): PeerSide => ({
    name,
    labels: labels({ op: 'sgemm', geometry: '' }),
    params: {},
    inputs,
    flops,
    against: 'poincare',
    bar: { of: 'ratio', atLeast: 0.75 },
  });
  const slow = shape.rows >= slowRows;
  return [
    product('torch sgemm'),
    product('numpy sgemm'),
    peer('torch.cdist', 'euclidean', { of: 'ratio', atLeast: 1 }),
    peer('torch gram + asinh', 'poincare'),
    ...(slow
      ? []
      : [
          peer('torch.compile gram + asinh', 'poincare'),
          { ...peer('published dist_matrix', 'compat'), peak: true },
          { ...peer('geoopt PoincareBall.dist', 'poincare'), peak: true },
        ]),
  ];
}

/** A few rows of every forward side against float64 formulas at the rounded inputs. */
function checkDistances(own: readonly OwnSide[], x: Matrix, y: Matrix, wideX: Matrix, wideY: Matrix): void {
  const last = x.rows - 1;
  const rowsOf = (points: Matrix) => table(points.data, points.cols);
  const [xs, ys] = [rowsOf(wideX), rowsOf(wideY)];
  const pairs = [0, 1, 2, 3].map((j) => [0, j]);
  pairs.push(...[3, 2, 1, 0].map((j) => [last, y.rows - 1 - j]));
  for (const side of own) {
    const truth = pairs.map(([i, j]) => {
      const { geometry, guards } = side.labels;
      if (guards === 'compat') return hypmixDistance(xs[i!]!, ys[j!]!, c);
      return distances[geometry === 'lorentz' ? 'poincare' : geometry]!(xs[i!]!, ys[j!]!, c);
    });
    if (
      side.side !== undefined ||
      side.probe === undefined ||
      side.name === 'with itself' ||
      side.name === 'near pairs'
    )
      continue;
    const error = difference(side.probe(), truth);
    const limit = side.labels.type === 'float64' ? 1e-11 : 1e-5;
    if (!(error <= limit))
      throw new Error(`${side.name} is ${error.toExponential(1)} from the oracle (limit ${limit})`);
  }
}

/** The first row's first entries and the last row's last. */
function corner({ data }: Matrix): number[] {
  return [...data.subarray(0, 4), ...data.subarray(data.length - 4)];
}

/** The same points in hyperboloid coordinates, the time coordinate first. */
function onSheet({ data, rows, cols }: Matrix): Matrix {
  const out = reals('float32', rows * (cols + 1));
  for (let i = 0; i < rows; ++i) {
    const row = data.subarray(i * cols, (i + 1) * cols);
    const size = c * square(row);
    out[i * (cols + 1)] = (1 + size) / (1 - size) / Math.sqrt(c);
    for (let k = 0; k < cols; ++k) out[i * (cols + 1) + k + 1] = (2 * row[k]!) / (1 - size);
  }
  return matrix(out, rows, cols + 1);
}

function square(row: Reals): number {
  let sum = 0;
  for (const value of row) sum += value * value;
  return sum;
}

/** The same numbers in another type. */
export function asType({ data, rows, cols }: Matrix, type: Type): Matrix {
  const out = reals(type, data.length);
  out.set(data);
  return matrix(out, rows, cols);
}

/** A matrix as a peer gets it. */
export function input({ data, rows, cols }: Matrix): PeerInput {
  return { data, shape: [rows, cols] };
}
