import { type AsyncOptions, type CallOptions, type Prepared, runAsync, runSync } from './call.ts';
import { type Compat, curvature, deviceIndex, finite, guards, threadCount } from './check.ts';
import { quoted, rangeError, shapeError, typeError } from './errors.ts';
import {
  asMatrix,
  checkGradC,
  checkKept,
  checkSameType,
  type Matrix,
  type Reals,
  type Rows,
  resultMatrix,
  zeros,
} from './matrix.ts';
import { core } from './native.ts';
import { nameOf, type RowCard, type RowParameter, type RowShape, rowCards, rowShape } from './row-card.ts';
import { isShort, readScalars, readShort, writeShort } from './short-call.ts';

/** What an argument of a row-wise operation may be: rows, one number, or weights that may be left out. */
export type Kind = 'rows' | 'number' | 'weights';

type Argument<K, T extends Reals> = K extends 'number'
  ? number
  : K extends 'weights'
    ? Rows<T> | undefined
    : Rows<T>;
type Inputs<A extends readonly Kind[], T extends Reals> = { [I in keyof A]: Argument<A[I], T> };
type Gradient<K, T extends Reals> = K extends 'number'
  ? number
  : K extends 'weights'
    ? Matrix<T> | undefined
    : Matrix<T>;

/** One gradient an input, in the order of the arguments. */
export type Gradients<A extends readonly Kind[], T extends Reals> = { [I in keyof A]: Gradient<A[I], T> };

/** Arrays of the same element type over any memory. */
type Same<T extends Reals> = T extends Float32Array ? Float32Array : Float64Array;

/** The options stand last, and may be left out where none is needed. */
type Last<O extends object> = Record<never, never> extends O ? [options?: O] : [options: O];

/** How an operation on the ball runs. */
export interface Curved {
  /** The curvature is -c, c > 0. */
  c: number;
}

interface RowOptions extends CallOptions {
  /** The published code's guards instead of exact arithmetic, where it has any. */
  compat?: Compat | undefined;
}

interface ForwardOptions<T extends Reals> extends RowOptions {
  /** Where to write the result; not the memory of an input. */
  out?: Rows<Same<T>> | undefined;
}

interface VjpOptions extends RowOptions {
  /**
   * One element, which is overwritten with the gradient with respect to c. The inputs count as fixed: what was made
   * with the same c (points by `expmap0`, hyperboloid rows by `poincareToLorentz`) has a part of its own.
   */
  gradC?: Float64Array | undefined;
}

/** An operation's vector-Jacobian product and its `.sync` twin. */
export interface Vjp<A extends readonly Kind[], O extends object> {
  <T extends Reals>(
    ...args: [...inputs: Inputs<A, T>, cotangent: Rows<T>, ...Last<O & VjpOptions & AsyncOptions>]
  ): Promise<Gradients<A, T>>;
  sync<T extends Reals>(
    ...args: [...inputs: Inputs<A, T>, cotangent: Rows<T>, ...Last<O & VjpOptions>]
  ): Gradients<A, T>;
}

/** A row-wise operation: a promise by default, at once by `.sync`; its gradients by `.vjp` and `.vjp.sync`. */
export interface Operation<A extends readonly Kind[], O extends object> {
  <T extends Reals>(
    ...args: [...inputs: Inputs<A, T>, ...Last<O & ForwardOptions<T> & AsyncOptions>]
  ): Promise<Matrix<T>>;
  sync<T extends Reals>(...args: [...inputs: Inputs<A, T>, ...Last<O & ForwardOptions<T>>]): Matrix<T>;
  /** Gradients of `sum(cotangent * result)`, one an input; an input of one row for all gets its total. */
  readonly vjp: Vjp<A, O>;
}

/** A card and its place in the core's list. */
interface Entry {
  readonly card: RowCard;
  readonly index: number;
}

/**
 * The operation of one card. The core is asked for the card at the first call.
 *
 * @typeParam F - an {@link Operation} that says the card's arguments
 */
export function operation<F extends object>(name: string): F {
  let entry: Entry | undefined;
  const found = () => {
    entry ??= find(name);
    return entry;
  };
  const vjpName = `${name}.vjp`;
  const vjp = Object.assign(
    (...args: readonly unknown[]) =>
      runAsync(vjpName, signalOf(args), () => prepareVjp(vjpName, found(), args)),
    { sync: (...args: readonly unknown[]) => runSync(vjpName, prepareVjp(vjpName, found(), args)) },
  );
  const forward = Object.assign(
    (...args: readonly unknown[]) => runAsync(name, signalOf(args), () => prepare(name, found(), args)),
    { sync: (...args: readonly unknown[]) => runSync(name, prepare(name, found(), args)), vjp },
  );
  return forward as unknown as F;
}

/** The operation `name`, checked under the name of another that is made of it. */
export function prepareAs<T extends Reals>(
  caller: string,
  name: string,
  args: readonly unknown[],
): Prepared<Matrix<T>> {
  return prepare(caller, find(name), args) as Prepared<Matrix<T>>;
}

function find(name: string): Entry {
  const cards = rowCards();
  const index = cards.findIndex((card) => card.name === name);
  return { card: cards[index] as RowCard, index };
}

function signalOf(args: readonly unknown[]): AbortSignal | undefined {
  return (args.at(-1) as AsyncOptions | undefined)?.signal;
}

type Options = Record<string, unknown> & ForwardOptions<Reals> & VjpOptions & Partial<Curved>;

/** A call whose arguments have been checked. */
interface Call {
  readonly op: number;
  readonly guards: number;
  readonly c: number;
  /** The card's own number. */
  readonly own: number;
  readonly shape: RowShape;
  readonly inputs: readonly (Matrix | undefined)[];
  readonly options: Options;
  readonly device: number;
  readonly threads: number;
  /** For a vjp. */
  readonly cotangent: unknown;
}

function prepare(name: string, entry: Entry, args: readonly unknown[]): Prepared<Matrix> {
  const call = read(name, entry, args, false);
  const { inputs, shape, options } = call;
  const { rows, cols } = shape;
  const out = resultMatrix(name, 'out', options.out, rows, cols, inputs);
  if (shape.n === 0) out.data.fill(0); // a mean of no rows; nothing else has any element
  const start = (job: number) => {
    if (job === 0 && isShort(out.data.length, inputs)) return shortForward(call, out);
    return core().row(
      numbersOf(call, job, numbers),
      dataOf(inputs[0]),
      dataOf(inputs[1]),
      dataOf(inputs[2]),
      out.data,
    );
  };
  return { start: shape.n === 0 ? nothing : start, finish: () => out };
}

function prepareVjp(name: string, entry: Entry, args: readonly unknown[]): Prepared<unknown[]> {
  const call = read(name, entry, args, true);
  const { inputs, shape } = call;
  const cotangent = cotangentOf(name, call);
  const gradC = checkGradC(name, call.options.gradC);
  const grads = inputs.map((input) => input && zeros(name, input.data, input.rows, input.cols));
  const scalars = new Float64Array(2);
  const [x, y, u] = inputs;
  const [gx, gy, gu] = grads;
  const start = (job: number) => {
    if (job === 0 && isShort(cotangent.length, inputs, grads)) {
      return shortVjp(call, cotangent, grads, scalars);
    }
    // biome-ignore format: inputs and their gradients, a line each
    return core().rowVjp(
      numbersOf(call, job, numbers),
      dataOf(x), dataOf(y), dataOf(u), cotangent,
      dataOf(gx), dataOf(gy), dataOf(gu), scalars,
    );
  };
  const leading = entry.card.parameter?.leading === true;
  const finish = () => {
    if (gradC !== undefined) {
      checkKept(name, 'gradC', gradC, 1);
      gradC[0] = scalars[0] as number;
    }
    return leading ? [scalars[1], ...grads] : grads;
  };
  return { start: shape.n === 0 ? nothing : start, finish };
}

/** Reads the arguments from left to right: the leading number, inputs, the cotangent, options. */
function read(name: string, { card, index }: Entry, args: readonly unknown[], vjp: boolean): Call {
  const { parameter } = card;
  let place = 0;
  let own = parameter?.leading === true ? finite(name, parameter.name, args[place++]) : 0;
  const first = asMatrix(name, nameOf(card, 0), args[place++] as Rows);
  const inputs = new Array<Matrix | undefined>(card.inputs.length);
  inputs[0] = first;
  for (let i = 1; i < inputs.length; ++i) {
    const left = card.family === 'midpoint' && leftOut(args, place, vjp);
    const input = left ? undefined : inputOf(name, card, i, args[place++]);
    if (input !== undefined) checkSameType(name, nameOf(card, i), first, input);
    inputs[i] = input;
  }
  const cotangent = vjp ? args[place++] : undefined;
  if (vjp && !isRows(cotangent))
    throw typeError(name, 'cotangent', 'a matrix or a typed array', quoted(cotangent));
  const options = optionsOf(name, args[place]);
  const shape = rowShape(name, card, inputs);
  if (parameter?.leading === false) own = ownNumber(name, parameter, options[parameter.name]);
  return {
    op: index,
    guards: guards(name, options.compat),
    c: card.curved || options.c !== undefined ? curvature(name, options.c) : 1,
    own,
    shape,
    inputs,
    options,
    device: deviceIndex(name, options.device),
    threads: threadCount(name, options.threads),
    cotangent,
  };
}

/** Whether the weights have been left out, rather than given or undefined. */
function leftOut(args: readonly unknown[], place: number, vjp: boolean): boolean {
  return vjp ? !isRows(args[place + 1]) : args[place] !== undefined && !isRows(args[place]);
}

/** Every call's numbers: the core reads them before the call that hands them over returns. */
const numbers = new Float64Array(16);

function numbersOf(call: Call, job: number, to: Float64Array): Float64Array {
  const { op, guards, c, own, shape, inputs, device, threads } = call;
  to[0] = op;
  to[1] = guards;
  to[2] = c;
  to[3] = own;
  to[4] = shape.n;
  for (let i = 0; i < 3; ++i) {
    const input = inputs[i];
    to[5 + 2 * i] = input === undefined ? 0 : input.rows;
    to[6 + 2 * i] = input === undefined ? 0 : input.cols;
  }
  to[11] = shape.rows;
  to[12] = shape.cols;
  to[13] = device;
  to[14] = threads;
  to[15] = job;
  return to;
}

/** By way of the core's standing array. */
function shortForward(call: Call, out: Matrix): undefined {
  numbersOf(call, 0, core().standing);
  const place = writeShort(call.inputs);
  core().rowShort();
  readShort(place, out.data);
}

function shortVjp(
  call: Call,
  cotangent: Reals,
  grads: readonly (Matrix | undefined)[],
  scalars: Float64Array,
): undefined {
  numbersOf(call, 0, core().standing);
  let place = writeShort(call.inputs, cotangent);
  core().rowVjpShort();
  for (const grad of grads) if (grad !== undefined) place = readShort(place, grad.data);
  readScalars(scalars);
}

function dataOf(matrix: Matrix | undefined): Reals | null {
  return matrix === undefined ? null : matrix.data;
}

function nothing(): undefined {}

function isRows(value: unknown): boolean {
  return ArrayBuffer.isView(value) || (value !== null && typeof value === 'object' && 'data' in value);
}

function optionsOf(name: string, options: unknown): Options {
  if (options === undefined) return {};
  if (options === null || typeof options !== 'object' || isRows(options)) {
    throw typeError(name, 'options', 'an object', quoted(options));
  }
  return options as Options;
}

function inputOf(name: string, card: RowCard, place: number, value: unknown): Matrix | undefined {
  if (card.family === 'midpoint') return weightsOf(name, value);
  return asMatrix(name, nameOf(card, place), value as Rows);
}

/** Weights are one number a row, however they are laid out. */
function weightsOf(name: string, value: unknown): Matrix | undefined {
  if (value === undefined) return undefined;
  const { data, rows, cols } = asMatrix(name, 'weights', value as Rows);
  if (rows !== 1 && cols !== 1) throw shapeError(name, 'weights', 'one number a row', `${rows} x ${cols}`);
  for (const each of data) {
    if (!(each >= 0 && each < Infinity))
      throw rangeError(name, 'weights', 'finite numbers of 0 or more', each);
  }
  return { data, rows: data.length, cols: 1 };
}

function ownNumber(name: string, parameter: RowParameter, value: unknown): number {
  const { name: argument, start, low, high } = parameter;
  const number = finite(name, argument, value ?? start);
  if ((low !== null && number < low) || (high !== null && number > high)) {
    const range = high === null ? `${low} or more` : `a number from ${low} to ${high}`;
    throw rangeError(name, argument, range, number);
  }
  return number;
}

function cotangentOf(name: string, { cotangent, shape, inputs }: Call): Reals {
  const given = asMatrix(name, 'cotangent', cotangent as Rows);
  checkSameType(name, 'cotangent', inputs[0] as Matrix, given);
  if (given.data.length !== shape.rows * shape.cols) {
    throw shapeError(name, 'cotangent', `${shape.rows} x ${shape.cols}`, `${given.rows} x ${given.cols}`);
  }
  return given.data;
}
