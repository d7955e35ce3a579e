// Calls and inputs of a row-wise operation, derived only from its card, for the suites that test all cards.
import type { Accuracy } from '../lib/cards.ts';
import { type Device, type Matrix, matrix, poincareToLorentz } from '../lib/index.ts';
import * as named from '../lib/ops.ts';
import { type RowCard, rowCards } from '../lib/row/card.ts';
import { cloud, type RealsType } from './support.ts';

/** Any operation, without its types. */
export interface AnyOperation {
  (...args: readonly unknown[]): Promise<Matrix>;
  sync(...args: readonly unknown[]): Matrix;
  readonly vjp: {
    (...args: readonly unknown[]): Promise<unknown[]>;
    sync(...args: readonly unknown[]): unknown[];
  };
}

export const cards: readonly RowCard[] = rowCards();

/** Returns the error bounds of a card. */
export const accuracyOf = (name: string): Accuracy => cards.find((card) => card.name === name)!.tolerance;

export function operationOf(card: RowCard): AnyOperation {
  return (named as unknown as Record<string, AnyOperation>)[card.name]!;
}

/** Returns a value of the card's parameter that has an effect; undefined if the card has no parameter. */
export function ownOf(card: RowCard): number | undefined {
  return card.parameter === null ? undefined : card.name === 'clip' ? 1.1 : (card.parameter.start ?? 0.7);
}

export interface RowOptions {
  readonly c: number;
  readonly own?: number | undefined;
  readonly compat?: 'hypmix' | undefined;
  readonly threads?: number;
  readonly device?: Device | undefined;
  readonly gradC?: Float64Array;
}

/** Returns the arguments of a call, in order. */
export function argumentsOf(
  card: RowCard,
  inputs: readonly unknown[],
  { own = ownOf(card), ...options }: RowOptions,
  cotangent?: Matrix,
): unknown[] {
  const leading = card.parameter?.leading === true ? [own] : [];
  const extra = card.parameter?.leading === false ? { [card.parameter.name]: own } : {};
  return [...leading, ...inputs, ...(cotangent === undefined ? [] : [cotangent]), { ...options, ...extra }];
}

export function forward(card: RowCard, inputs: readonly unknown[], options: RowOptions): Matrix {
  return operationOf(card).sync(...argumentsOf(card, inputs, options));
}

/** Returns the gradients of the inputs, of the leading number, if any, and of c. */
export function gradients(
  card: RowCard,
  inputs: readonly unknown[],
  options: RowOptions,
  cotangent: Matrix,
): { inputs: Matrix[]; own: number | undefined; c: number } {
  const gradC = new Float64Array(1);
  const all = operationOf(card).vjp.sync(...argumentsOf(card, inputs, { ...options, gradC }, cotangent));
  const own = card.parameter?.leading === true ? (all.shift() as number) : undefined;
  return { inputs: all as Matrix[], own, c: gradC[0]! };
}

/**
 * Returns inputs of a card: n rows of d coordinates in their domains, up to the fraction `reach` of the ball's radius.
 */
export function pointsOf(
  card: RowCard,
  type: RealsType,
  n: number,
  d: number,
  c: number,
  reach = 0.7,
): Matrix[] {
  return card.inputs.map(({ domain, name }, place) => {
    const seed = 10 * place + d;
    const few = (card.family === 'planes' && place > 0) || (card.family === 'matvec' && place === 0);
    if (name === 'weights') return matrix(type.from(cloud(type, n, 1, 1, seed).data.map(Math.abs)), n, 1);
    const rows = few ? 3 : n;
    if (domain === 'anywhere') return cloud(type, rows, d, 1.7 / Math.sqrt(c), seed);
    const inside = cloud(type, rows, d, reach / Math.sqrt(c), seed);
    return domain === 'hyperboloid' ? poincareToLorentz.sync(inside, { c }) : inside;
  });
}

/** Returns the inputs with the last coordinate of row 1 of input `place` replaced by NaN. */
export function withNaN(inputs: readonly Matrix[], place: number): Matrix[] {
  return inputs.map((each, i) => (i === place ? moved(each, 2 * each.cols - 1, Number.NaN) : each));
}

/** Whether an element of the result must be NaN if row 1 of input `place` contains NaN. */
export function isAffected({ family }: RowCard, place: number, at: number, cols: number): boolean {
  if (family === 'midpoint' || (family === 'matvec' && place === 0)) return true;
  return (family === 'planes' && place > 0 ? at % cols : Math.floor(at / cols)) === 1;
}

/** Returns the derivative of f at 0, by the five-point stencil. */
export function slope(f: (h: number) => number, h = 1e-4): number {
  return (8 * (f(h) - f(-h)) - (f(2 * h) - f(-2 * h))) / (12 * h);
}

/** Returns a copy of a matrix with `by` added to element `at`. */
export function moved({ data, rows, cols }: Matrix, at: number, by: number): Matrix {
  const copy = data.slice();
  copy[at]! += by;
  return matrix(copy, rows, cols);
}
