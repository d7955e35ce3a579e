import * as core from '../../lib/index.ts';
import { type Matrix, matrix, type Reals } from '../../lib/index.ts';
import { type RowCard, rowCards } from '../../lib/row/card.ts';
import { operations as oracle, slopeOf, table } from '../../test/oracle.ts';
import { allowed, referenceError } from '../../test/tolerances.ts';
import { ballPoints, normal, reals, type Type, uniform, unitRows } from '../inputs.ts';
import type { Labels } from '../results.ts';
import { batch } from '../shapes.ts';
import type { OwnSide, Suite } from '../suite.ts';
import { apart, within } from './loss-check.ts';
import { asType } from './product.ts';

const c = 0.1;
const classes = 100;
/** The number that is the first argument of some operations. */
const leading = 0.5;

/** The kinds of input matrices; a second input with the same domain has different values. */
type Kind =
  | 'point'
  | 'other'
  | 'tangent'
  | 'otherTangent'
  | 'matrix'
  | 'klein'
  | 'sheet'
  | 'weights'
  | 'offsets'
  | 'normals';

/** Returns the kind of matrix for each input of an operation, from the domains that its card states. */
function kindsOf({ family, inputs }: RowCard): Kind[] {
  return inputs.map(({ name, domain }, place) => {
    if (family === 'matvec' && place === 0) return 'matrix';
    if (family === 'planes' && place > 0) return place === 1 ? 'offsets' : 'normals';
    if (name === 'weights') return 'weights';
    const isSecond = inputs.slice(0, place).some((before) => before.domain === domain);
    if (domain === 'ball') return isSecond ? 'other' : 'point';
    if (domain === 'anywhere') return isSecond ? 'otherTangent' : 'tangent';
    return domain === 'klein' ? 'klein' : 'sheet';
  });
}

/** Returns the arguments before the options: the leading number, if the card has one, and the inputs. */
function argumentsOf(card: RowCard, inputs: readonly Matrix[]): (Matrix | number)[] {
  return card.parameter?.leading === true ? [leading, ...inputs] : [...inputs];
}

/** Returns the curvature, and the option of the card at its default. */
function optionsOf({ parameter }: RowCard): Readonly<Record<string, number>> {
  return parameter === null || parameter.leading ? { c } : { c, [parameter.name]: parameter.start! };
}

type Call = (...args: unknown[]) => unknown;
type Operation = { sync: Call; vjp: { sync: Call } };

/** Returns the suite of all row-wise operations on one batch, in both types. No peer implements all of them. */
export function rowwiseSuite(threads: number): Suite {
  const own = (['float32', 'float64'] as const).flatMap((type) => {
    const made = inputs(type);
    return rowCards().flatMap((card) => {
      const args = argumentsOf(
        card,
        kindsOf(card).map((kind) => made[kind]),
      );
      return sides(card, args, type, threads);
    });
  });
  return {
    name: 'rows',
    plan: { rounds: 7, slowRounds: 3, turnMs: 2, settleMs: 0 },
    arrays: {},
    own,
    peers: [],
    check: checkRows,
  };
}

function operationOf(name: string): Operation {
  return (core as unknown as Record<string, Operation>)[name]!;
}

function sides(card: RowCard, args: readonly (Matrix | number)[], type: Type, threads: number): OwnSide[] {
  const { name } = card;
  const operation = operationOf(name);
  const options = { ...optionsOf(card), threads };
  const result = operation.sync(...args, options) as Matrix;
  const cotangent = ones(result);
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
    { name: `${name} ${type}`, labels, run: () => operation.sync(...args, all) },
    {
      name: `${name} ${type} backward`,
      labels: { ...labels, pass: 'backward' },
      run: () => operation.vjp.sync(...args, cotangent, options),
    },
  ];
}

/** A cotangent of ones for a result. */
function ones({ data, rows, cols }: Matrix): Matrix {
  return matrix(data.slice().fill(1), rows, cols);
}

function inputs(type: Type): Record<Kind, Matrix> {
  const { rows, dim } = batch;
  const point = ballPoints(unitRows(rows, dim, 2, 51, type), c, 52);
  return {
    point,
    other: ballPoints(unitRows(rows, dim, 2, 53, type), c, 54),
    tangent: random(type, rows, dim, 55),
    otherTangent: random(type, rows, dim, 60),
    weights: weights(type, rows),
    matrix: random(type, dim, dim, 56),
    klein: core.poincareToKlein.sync(point, { c }),
    sheet: core.poincareToLorentz.sync(point, { c }),
    offsets: ballPoints(unitRows(classes, dim, 1, 57, type), c, 58),
    normals: random(type, classes, dim, 59),
  };
}

function weights(type: Type, rows: number): Matrix {
  const next = uniform(61);
  return matrix(reals(type, rows).map(next), rows, 1);
}

function random(type: Type, rows: number, cols: number, seed: number): Matrix {
  const next = normal(seed);
  const data: Reals = reals(type, rows * cols);
  for (let i = 0; i < data.length; ++i) data[i] = next() / Math.sqrt(cols);
  return matrix(data, rows, cols);
}

/** Number of rows that are compared with the oracle. */
const checkedRows = 6;
const step = 1e-4;

/**
 * Checks float64 on the first rows against the oracle (values, and the derivative along a random direction by seven-point
 * differences), then float32 at full size against float64 of the same inputs. Limits are those of the cards.
 */
function checkRows(): void {
  const [wide, single] = [inputs('float64'), inputs('float32')];
  for (const card of rowCards()) {
    const kinds = kindsOf(card);
    checkOracle(
      card,
      kinds.map((kind) => firstRows(wide[kind], kind)),
    );
    checkRounding(
      card,
      kinds.map((kind) => single[kind]),
    );
  }
}

function firstRows(all: Matrix, kind: Kind): Matrix {
  const rows = kind === 'matrix' ? all.rows : checkedRows;
  return matrix(all.data.subarray(0, rows * all.cols), rows, all.cols);
}

function checkRounding(card: RowCard, given: readonly Matrix[]): void {
  const { name, tolerance } = card;
  const exact = given.map((each) => asType(each, 'float64'));
  const [found, truth] = [given, exact].map((each) => resultOf(card, each));
  const limit = allowed(Float32Array, tolerance.value);
  within(`${name}, float32 value`, apart(found!.data, truth!.data), limit);
  const [gradients, exactGradients] = [given, exact].map((each) => gradientsOf(card, each, ones));
  for (const [i, { data }] of exactGradients!.entries()) {
    const error = apart(gradients![i]!.data, data);
    within(`${name}, float32 gradient of input ${i}`, error, allowed(Float32Array, tolerance.gradient));
  }
}

function resultOf(card: RowCard, given: readonly Matrix[]): Matrix {
  return operationOf(card.name).sync(...argumentsOf(card, given), optionsOf(card)) as Matrix;
}

/** Returns the gradients of the inputs. A leading number stays fixed, so its gradient is not checked. */
function gradientsOf(
  card: RowCard,
  given: readonly Matrix[],
  cotangentOf: (result: Matrix) => Matrix,
): Matrix[] {
  const cotangent = cotangentOf(resultOf(card, given));
  const options = optionsOf(card);
  const all = operationOf(card.name).vjp.sync(...argumentsOf(card, given), cotangent, options) as Matrix[];
  return card.parameter?.leading === true ? all.slice(1) : all;
}

function checkOracle(card: RowCard, given: readonly Matrix[]): void {
  const { name, tolerance } = card;
  const limit = allowed(Float64Array, tolerance.value, referenceError.closedForms);
  within(`${name}, float64 value`, apart(resultOf(card, given).data, formula(card, given)), limit);
  const next = normal(65);
  const noise = ({ data, rows, cols }: Matrix) => matrix(Float64Array.from(data, next), rows, cols);
  let cotangent: Matrix | undefined;
  const gradients = gradientsOf(card, given, (result) => {
    cotangent = noise(result);
    return cotangent;
  });
  const along = given.map(noise);
  const slope = slopeOf((by) => inner(cotangent!.data, formula(card, shifted(given, along, by))), step);
  const derivative = gradients.reduce((total, { data }, i) => total + inner(data, along[i]!.data), 0);
  const size = Math.hypot(...gradients.map(({ data }) => Math.sqrt(inner(data, data))));
  within(
    `${name}, float64 gradient`,
    Math.abs(derivative - slope) / size,
    allowed(Float64Array, tolerance.gradient, referenceError.sevenPoints),
  );
}

function formula(card: RowCard, given: readonly Matrix[]): number[] {
  const { name, parameter } = card;
  const t = parameter?.leading === true ? leading : (parameter?.start ?? 0);
  return oracle[name]!(
    given.map(({ data, cols }) => table(data, cols)),
    { c, t },
  ).flat();
}

function shifted(given: readonly Matrix[], along: readonly Matrix[], by: number): Matrix[] {
  return given.map(({ data, rows, cols }, side) =>
    matrix(
      Float64Array.from(data, (value, i) => value + by * along[side]!.data[i]!),
      rows,
      cols,
    ),
  );
}

function inner(a: Reals, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; ++i) sum += a[i]! * b[i]!;
  return sum;
}
