import * as core from '../../lib/index.ts';
import { type Matrix, matrix, type Reals } from '../../lib/index.ts';
import { distances, table } from '../../test/oracle.ts';
import { ballPoints, normal, reals, type Type, unitRows } from '../inputs.ts';
import type { Labels } from '../rows.ts';
import { batch } from '../shapes.ts';
import { difference, type OwnSide, type Suite } from '../suite.ts';

const c = 0.1;
const classes = 100;

/** What an argument is; a number stands for itself. */
type Kind = 'point' | 'other' | 'tangent' | 'matrix' | 'klein' | 'sheet' | 'offsets' | 'normals' | number;

/** Every row-wise operation and its arguments. */
const operations: Record<string, readonly Kind[]> = {
  mobiusAdd: ['point', 'other'],
  mobiusSub: ['point', 'other'],
  mobiusScalarMul: [0.5, 'point'],
  mobiusMatvec: ['matrix', 'point'],
  gyration: ['point', 'other', 'tangent'],
  expmap0: ['tangent'],
  logmap0: ['point'],
  expmap: ['point', 'tangent'],
  logmap: ['point', 'other'],
  dist: ['point', 'other'],
  dist0: ['point'],
  conformalFactor: ['point'],
  project: ['point'],
  clip: ['tangent'],
  geodesic: [0.5, 'point', 'other'],
  parallelTransport: ['point', 'other', 'tangent'],
  parallelTransport0: ['point', 'tangent'],
  poincareToKlein: ['point'],
  kleinToPoincare: ['klein'],
  poincareToLorentz: ['point'],
  lorentzToPoincare: ['sheet'],
  lorentzFactor: ['klein'],
  einsteinMidpoint: ['point'],
  distToPlane: ['point', 'other', 'tangent'],
  hyperbolicSoftmax: ['point', 'offsets', 'normals'],
  riemannianGradient: ['point', 'tangent'],
};

type Call = (...args: unknown[]) => unknown;
type Operation = { sync: Call; vjp: { sync: Call } };

/** All row-wise operations on one batch, forward and backward, in both types. No peer: nobody else has them all. */
export function rowwiseSuite(threads: number): Suite {
  const own = (['float32', 'float64'] as const).flatMap((type) => {
    const made = inputs(type);
    return Object.entries(operations).flatMap(([name, kinds]) => {
      const args = kinds.map((kind) => (typeof kind === 'number' ? kind : made[kind]));
      return sides(name, args, type, threads);
    });
  });
  return {
    name: 'rows',
    plan: { rounds: 7, slowRounds: 3, turnMs: 2, settleMs: 0 },
    arrays: {},
    own,
    peers: [],
    check: () => checkRows(own),
  };
}

function sides(name: string, args: readonly unknown[], type: Type, threads: number): OwnSide[] {
  const operation = (core as unknown as Record<string, Operation>)[name]!;
  const options = { c, threads };
  const result = operation.sync(...args, options) as Matrix;
  const cotangent = matrix(reals(type, result.data.length).fill(1), result.rows, result.cols);
  const labels: Labels = {
    op: name,
    shape: batch.name,
    n: batch.rows,
    m: 1,
    dim: batch.dim,
    views: 0,
    type,
    geometry: 'poincare',
    heads: '',
    guards: 'clean',
    pass: 'forward',
  };
  const all = { ...options, out: result };
  return [
    {
      name: `${name} ${type}`,
      labels,
      run: () => operation.sync(...args, all),
      probe: () => [...(operation.sync(...args, options) as Matrix).data.subarray(0, 8)],
    },
    {
      name: `${name} ${type} backward`,
      labels: { ...labels, pass: 'backward' },
      run: () => operation.vjp.sync(...args, cotangent, options),
    },
  ];
}

function inputs(type: Type): Record<Exclude<Kind, number>, Matrix> {
  const { rows, dim } = batch;
  const point = ballPoints(unitRows(rows, dim, 2, 51, type), c, 52);
  return {
    point,
    other: ballPoints(unitRows(rows, dim, 2, 53, type), c, 54),
    tangent: random(type, rows, dim, 55),
    matrix: random(type, dim, dim, 56),
    klein: core.poincareToKlein.sync(point, { c }),
    sheet: core.poincareToLorentz.sync(point, { c }),
    offsets: ballPoints(unitRows(classes, dim, 1, 57, type), c, 58),
    normals: random(type, classes, dim, 59),
  };
}

function random(type: Type, rows: number, cols: number, seed: number): Matrix {
  const next = normal(seed);
  const data: Reals = reals(type, rows * cols);
  for (let i = 0; i < data.length; ++i) data[i] = next() / Math.sqrt(cols);
  return matrix(data, rows, cols);
}

/** Float32 against float64 for all, and float64 distances against the oracle. */
function checkRows(own: readonly OwnSide[]): void {
  const probe = (name: string) => own.find((side) => side.name === name)!.probe!();
  for (const name of Object.keys(operations)) {
    const wide = probe(`${name} float64`);
    const error = difference(probe(`${name} float32`), wide, Math.max(...wide.map(Math.abs)));
    if (!(error <= 1e-5)) throw new Error(`${name}: float32 is ${error.toExponential(1)} from float64`);
  }
  const { point, other } = inputs('float64');
  const rows = [point, other].map((m) => table(m.data.subarray(0, 8 * m.cols), m.cols));
  const truth = rows[0]!.map((x, i) => distances['poincare']!(x, rows[1]![i]!, c));
  const error = difference(probe('dist float64'), truth);
  if (!(error <= 1e-12)) throw new Error(`dist is ${error.toExponential(1)} from the oracle`);
}
