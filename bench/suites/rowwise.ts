import * as core from '../../lib/index.ts';
import { type Matrix, matrix, type Reals } from '../../lib/index.ts';
import { operations as oracle, table } from '../../test/oracle.ts';
import { ballPoints, normal, reals, type Type, unitRows } from '../inputs.ts';
import type { Labels } from '../results.ts';
import { batch } from '../shapes.ts';
import { difference, type OwnSide, type Suite } from '../suite.ts';

const c = 0.1;
const classes = 100;

/** The kind of an argument; a number is passed as such. */
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

/** Options of the cards, the same for the operation and the oracle. */
const parameters: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  project: { margin: 1e-3 },
  clip: { radius: 2 },
};

type Call = (...args: unknown[]) => unknown;
type Operation = { sync: Call; vjp: { sync: Call } };

/** All row-wise operations on one batch, forward and backward, in both types. No peer implements all of them. */
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

function operationOf(name: string): Operation {
  return (core as unknown as Record<string, Operation>)[name]!;
}

function sides(name: string, args: readonly unknown[], type: Type, threads: number): OwnSide[] {
  const operation = operationOf(name);
  const options = { c, threads, ...parameters[name] };
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
      probe: () => {
        const gradients = operation.vjp.sync(...args, cotangent, options) as Matrix[];
        return gradients.flatMap((one, i) =>
          typeof args[i] === 'number' ? [] : [...one.data.subarray(0, 8)],
        );
      },
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

/** Rows that are compared with the oracle. */
const checkedRows = 6;
const step = 1e-5;

/**
 * Float64 on the first rows against the oracle: values, and the derivative along a random direction by central
 * differences; then float32 against float64 at full size.
 */
function checkRows(own: readonly OwnSide[]): void {
  const made = inputs('float64');
  for (const [name, kinds] of Object.entries(operations)) {
    checkOracle(
      name,
      kinds.map((kind) => (typeof kind === 'number' ? kind : firstRows(made[kind], kind))),
    );
    for (const pass of ['', ' backward']) {
      const probe = (type: Type) => own.find((side) => side.name === `${name} ${type}${pass}`)!.probe!();
      const wide = probe('float64');
      const error = difference(probe('float32'), wide, Math.max(...wide.map(Math.abs)));
      if (!(error <= 1e-5)) {
        throw new Error(`${name}${pass}: float32 is ${error.toExponential(1)} from float64`);
      }
    }
  }
}

function firstRows(all: Matrix, kind: Kind): Matrix {
  const rows = kind === 'matrix' ? all.rows : checkedRows;
  return matrix(all.data.subarray(0, rows * all.cols), rows, all.cols);
}

function checkOracle(name: string, args: readonly (Matrix | number)[]): void {
  const operation = operationOf(name);
  const options = { c, ...parameters[name] };
  const found = operation.sync(...args, options) as Matrix;
  const truth = formula(name, args);
  const size = Math.max(...truth.map(Math.abs));
  const error = difference([...found.data], truth, size);
  if (!(error <= 1e-10)) throw new Error(`${name} is ${error.toExponential(1)} from the oracle`);
  const next = normal(65);
  const cotangent = matrix(Float64Array.from(found.data, next), found.rows, found.cols);
  const along = args.map((arg) => (typeof arg === 'number' ? arg : Float64Array.from(arg.data, next)));
  const all = operation.vjp.sync(...args, cotangent, options) as Matrix[];
  // Gradients with respect to numbers are not checked; numbers stay fixed.
  const gradients = all.filter((_, i) => typeof args[i] !== 'number');
  const rows = along.filter((one) => typeof one !== 'number');
  const [ahead, behind] = [step, -step].map((by) => formula(name, shifted(args, along, by)));
  const slope = inner(
    cotangent.data,
    ahead!.map((value, i) => (value - behind![i]!) / (2 * step)),
  );
  const derivative = gradients.reduce((total, { data }, i) => total + inner(data, [...rows[i]!]), 0);
  const scale = Math.hypot(...gradients.map(({ data }) => Math.sqrt(inner(data, [...data]))));
  const miss = Math.abs(derivative - slope) / scale;
  if (!(miss <= 1e-6)) throw new Error(`${name}: a derivative is ${miss.toExponential(1)} from the oracle's`);
}

function formula(name: string, args: readonly (Matrix | number)[]): number[] {
  const [own = 0] = Object.values(parameters[name] ?? {});
  const t = args.find((arg) => typeof arg === 'number') ?? own;
  const tables = args.filter((arg) => typeof arg !== 'number').map(({ data, cols }) => table(data, cols));
  return oracle[name]!(tables, { c, t }).flat();
}

function shifted(
  args: readonly (Matrix | number)[],
  along: readonly (Float64Array | number)[],
  by: number,
): (Matrix | number)[] {
  return args.map((arg, side) => {
    const way = along[side]!;
    if (typeof arg === 'number' || typeof way === 'number') return arg;
    return matrix(
      Float64Array.from(arg.data, (value, i) => value + by * way[i]!),
      arg.rows,
      arg.cols,
    );
  });
}

function inner(a: Reals, b: readonly number[]): number {
  return b.reduce((sum, value, i) => sum + a[i]! * value, 0);
}
