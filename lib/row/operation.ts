import {
  type AsyncOptions,
  type CallOptions,
  type Prepared,
  runAsync,
  runSteps,
  runSync,
  type Steps,
  throwIfAborted,
} from '../call/run.ts';
import {
  type Compat,
  callNames,
  curvature,
  deviceIndex,
  finite,
  guards,
  refuseUnknown,
  threadCount,
} from '../check.ts';
import { quoted, rangeError, shapeError, typeError } from '../errors.ts';
import {
  asMatrix,
  checkAttached,
  checkGradC,
  checkKept,
  checkSameType,
  type DenseMatrix,
  isRows,
  type Matrix,
  notMatrix,
  type Reals,
  type Rows,
  resultMatrix,
  zeros,
} from '../matrix.ts';
import { core } from '../native.ts';
import { checkWeights, weightColumn, weightSteps } from '../weights.ts';
import { rowCall, rowNumbers } from './call.ts';
import { nameOf, type RowCard, type RowParameter, type RowShape, rowCards, rowShape } from './card.ts';
import { isShort, readScalars, readShort, writeShort } from './short-call.ts';

/** Kinds of arguments of a row-wise operation: rows, one number, or optional weights. */
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
    ? DenseMatrix<T> | undefined
    : DenseMatrix<T>;

/** One gradient per input, in the order of the arguments. */
export type Gradients<A extends readonly Kind[], T extends Reals> = { [I in keyof A]: Gradient<A[I], T> };

/** Arrays of the same element type over any buffer. */
type Same<T extends Reals> = T extends Float32Array ? Float32Array : Float64Array;

/** Options come last, and may be omitted if none is required. */
type Last<O extends object> = Record<never, never> extends O ? [options?: O] : [options: O];

/** Options of an operation on the ball. */
export interface Curved {
  /** The curvature is -c, c > 0. */
  c: number;
}

interface RowOptions extends CallOptions {
  /** Use the numerical guards of the published code, if it has any for this operation. */
  compat?: Compat | undefined;
}

interface ForwardOptions<T extends Reals> extends RowOptions {
  /** Output array; must not share memory with an input. */
  out?: Rows<Same<T>> | undefined;
}

interface VjpOptions extends RowOptions {
  /**
   * An array of one element, overwritten with the gradient with respect to c, with the inputs held constant. Inputs
   * that were computed with the same c (points from `expmap0`, hyperboloid rows from `poincareToLorentz`) contribute
   * separately.
   */
  gradC?: Float64Array | undefined;
}

/** An operation's vector-Jacobian product and its synchronous variant. */
export interface Vjp<A extends readonly Kind[], O extends object> {
  <T extends Reals>(
    ...args: [...inputs: Inputs<A, T>, cotangent: Rows<T>, ...Last<O & VjpOptions & AsyncOptions>]
  ): Promise<Gradients<A, T>>;
  sync<T extends Reals>(
    ...args: [...inputs: Inputs<A, T>, cotangent: Rows<T>, ...Last<O & VjpOptions>]
  ): Gradients<A, T>;
}

/** A row-wise operation: asynchronous by default, synchronous with `.sync`; gradients with `.vjp` and `.vjp.sync`. */
export interface Operation<A extends readonly Kind[], O extends object> {
  <T extends Reals>(
    ...args: [...inputs: Inputs<A, T>, ...Last<O & ForwardOptions<T> & AsyncOptions>]
  ): Promise<DenseMatrix<T>>;
  sync<T extends Reals>(...args: [...inputs: Inputs<A, T>, ...Last<O & ForwardOptions<T>>]): DenseMatrix<T>;
  /** Gradients of `sum(cotangent * result)`, one per input; a broadcast row receives the sum over all rows. */
  readonly vjp: Vjp<A, O>;
}

/** A card, its index in the core's list, and the names of its options. */
interface Entry {
  readonly known: { readonly forward: ReadonlySet<string>; readonly vjp: ReadonlySet<string> };
  readonly card: RowCard;
  readonly index: number;
}

/**
 * Creates the operation of one card. The card is fetched from the core at the first call.
 *
 * @typeParam F - an {@link Operation} with the card's arguments
 */
export function operation<F extends object>(name: string): F {
  let entry: Entry | undefined;
  const found = () => {
    entry ??= find(name);
    return entry;
  };
  const variants = <R>(of: string, prepare: Preparation<R>) =>
    Object.assign((...args: readonly unknown[]) => runRow(of, found, args, prepare), {
      sync: (...args: readonly unknown[]) => {
        throwIfAborted(of, signalOf(args));
        const call = prepare(of, found(), args);
        if (call.weights !== undefined) checkWeights(of, call.weights, 0, call.weights.length);
        return runSync(of, call);
      },
    });
  const vjp = variants(`${name}.vjp`, prepareVjp);
  return Object.assign(variants(name, prepare), { vjp }) as unknown as F;
}

/** A call that is validated except for the values of its weights. */
interface RowWork<R> extends Prepared<R> {
  readonly weights: Reals | undefined;
}

type Preparation<R> = (name: string, entry: Entry, args: readonly unknown[]) => RowWork<R>;

/** Runs a call on another thread. The weights of a midpoint are checked on this one, in slices. */
async function runRow<R>(
  name: string,
  found: () => Entry,
  args: readonly unknown[],
  prepare: Preparation<R>,
): Promise<R> {
  const signal = signalOf(args);
  const entry = found();
  if (entry.card.family !== 'midpoint') return await runAsync(name, signal, () => prepare(name, entry, args));
  return await runSteps(name, signal, function* (): Steps<R> {
    const call = prepare(name, entry, args);
    if (call.weights !== undefined) yield* weightSteps(name, call.weights, call.weights.length);
    yield call;
    return call.finish();
  });
}

/** Prepares the operation `name`; errors start with `caller`. */
export function prepareAs<T extends Reals>(
  caller: string,
  name: string,
  args: readonly unknown[],
): Prepared<DenseMatrix<T>> {
  const call: Prepared<DenseMatrix> = prepare(caller, find(name), args);
  return call as Prepared<DenseMatrix<T>>;
}

/** Prepares the gradients of the operation `name`; errors start with `caller`. */
export function prepareVjpAs(
  caller: string,
  name: string,
  args: readonly unknown[],
): Prepared<DenseMatrix[]> {
  return prepareVjp(caller, find(name), args) as Prepared<DenseMatrix[]>;
}

function find(name: string): Entry {
  const cards = rowCards();
  const index = cards.findIndex((card) => card.name === name);
  const card = cards[index] as RowCard;
  const parameter = card.parameter?.leading === false ? [card.parameter.name] : [];
  const all = ['c', 'compat', ...parameter, ...callNames];
  return { card, index, known: { forward: new Set([...all, 'out']), vjp: new Set([...all, 'gradC']) } };
}

function signalOf(args: readonly unknown[]): AbortSignal | undefined {
  return (args.at(-1) as AsyncOptions | undefined)?.signal;
}

type Options = Record<string, unknown> & ForwardOptions<Reals> & VjpOptions & Partial<Curved>;

/** A call with validated arguments. */
interface Call {
  readonly op: number;
  readonly guards: number;
  readonly c: number;
  /** The value of the card's parameter. */
  readonly parameter: number;
  readonly shape: RowShape;
  readonly inputs: readonly (Matrix | undefined)[];
  readonly options: Options;
  readonly device: number;
  readonly threads: number;
  /** Cotangent of a vector-Jacobian product; undefined otherwise. */
  readonly cotangent: unknown;
}

function prepare(name: string, entry: Entry, args: readonly unknown[]): RowWork<DenseMatrix> {
  const call = read(name, entry, args, false);
  const { inputs, shape, options } = call;
  const { rows, cols } = shape;
  const out = resultMatrix(name, 'out', options.out, rows, cols, inputs);
  if (shape.n === 0) out.data.fill(0); // the midpoint of no rows is the origin; all other results are empty
  const start = (job: number) => {
    if (job === 0 && isShort(out.data.length, inputs)) {
      checkInputs(name, entry, inputs);
      return shortForward(call, out);
    }
    return core().row(
      rowNumbersOf(call, job, numbers),
      dataOf(inputs[0]),
      dataOf(inputs[1]),
      dataOf(inputs[2]),
      out.data,
    );
  };
  return { start: shape.n === 0 ? nothing : start, finish: () => out, weights: weightsIn(entry, inputs) };
}

function prepareVjp(name: string, entry: Entry, args: readonly unknown[]): RowWork<unknown[]> {
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
      checkInputs(name, entry, inputs);
      checkKept(name, 'cotangent', cotangent, shape.rows * shape.cols);
      return shortVjp(call, cotangent, grads, scalars);
    }
    // biome-ignore format: inputs and their gradients, one line each
    return core().rowVjp(
      rowNumbersOf(call, job, numbers),
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
  return { start: shape.n === 0 ? nothing : start, finish, weights: weightsIn(entry, inputs) };
}

/** Returns the weights of a midpoint, if any. */
function weightsIn({ card }: Entry, inputs: Call['inputs']): Reals | undefined {
  return card.family === 'midpoint' ? inputs[1]?.data : undefined;
}

/** Reads the arguments from left to right: the leading number, inputs, the cotangent, options. */
function read(name: string, { card, index, known }: Entry, args: readonly unknown[], vjp: boolean): Call {
  const { parameter } = card;
  let next = 0;
  let value = parameter?.leading === true ? finite(name, parameter.name, args[next++]) : 0;
  const first = asMatrix(name, nameOf(card, 0), args[next++] as Rows);
  const inputs = new Array<Matrix | undefined>(card.inputs.length);
  inputs[0] = first;
  for (let i = 1; i < inputs.length; ++i) {
    const left = card.family === 'midpoint' && areWeightsOmitted(args, next, vjp);
    const input = left ? undefined : inputOf(name, card, i, args[next++]);
    if (input !== undefined) checkSameType(name, nameOf(card, i), first, input);
    inputs[i] = input;
  }
  const cotangent = vjp ? args[next++] : undefined;
  if (vjp && !isRows(cotangent)) throw notMatrix(name, 'cotangent', cotangent);
  const options = optionsOf(name, args[next]);
  refuseUnknown(name, options, 'options', vjp ? known.vjp : known.forward);
  const { c } = options;
  const shape = rowShape(name, card, inputs);
  if (parameter?.leading === false) value = optionalParameter(name, parameter, options[parameter.name]);
  return {
    op: index,
    guards: guards(name, options.compat),
    c: card.curved || c !== undefined ? curvature(name, c) : 1,
    parameter: value,
    shape,
    inputs,
    options,
    device: deviceIndex(name, options.device),
    threads: threadCount(name, options.threads),
    cotangent,
  };
}

/** Whether the weights are left out of the arguments. Weights passed as undefined are not left out. */
function areWeightsOmitted(args: readonly unknown[], index: number, vjp: boolean): boolean {
  return vjp ? !isRows(args[index + 1]) : args[index] !== undefined && !isRows(args[index]);
}

/** Array for the numeric arguments, shared by all calls: the core reads it before a call returns. */
const numbers = new Float64Array(rowNumbers);

function rowNumbersOf(call: Call, job: number, to: Float64Array): Float64Array {
  const { op, guards, c, parameter, shape, inputs, device, threads } = call;
  to[rowCall.op] = op;
  to[rowCall.guards] = guards;
  to[rowCall.c] = c;
  to[rowCall.parameter] = parameter;
  to[rowCall.rows] = shape.n;
  for (let i = 0; i < 3; ++i) {
    const input = inputs[i];
    to[rowCall.xRows + 2 * i] = input === undefined ? 0 : input.rows;
    to[rowCall.xCols + 2 * i] = input === undefined ? 0 : input.cols;
  }
  to[rowCall.resultRows] = shape.rows;
  to[rowCall.resultCols] = shape.cols;
  to[rowCall.device] = device;
  to[rowCall.threads] = threads;
  to[rowCall.job] = job;
  return to;
}

/** Throws if a getter of a later argument detached an input of a short call. In other calls, the core checks the lengths. */
function checkInputs(name: string, { card }: Entry, inputs: Call['inputs']): void {
  for (let i = 0; i < inputs.length; ++i) {
    const input = inputs[i];
    if (input !== undefined && input.data.length !== input.rows * input.cols)
      checkAttached(name, nameOf(card, i), input);
  }
}

/** Runs a short call through the core's persistent array (short-call.ts). */
function shortForward(call: Call, out: Matrix): undefined {
  rowNumbersOf(call, 0, core().callBuffer);
  const index = writeShort(call.inputs);
  core().rowShort();
  readShort(index, out.data);
}

function shortVjp(
  call: Call,
  cotangent: Reals,
  grads: readonly (Matrix | undefined)[],
  scalars: Float64Array,
): undefined {
  rowNumbersOf(call, 0, core().callBuffer);
  let index = writeShort(call.inputs, cotangent);
  core().rowVjpShort();
  for (const grad of grads) if (grad !== undefined) index = readShort(index, grad.data);
  readScalars(scalars);
}

function dataOf(matrix: Matrix | undefined): Reals | null {
  return matrix === undefined ? null : matrix.data;
}

function nothing(): undefined {}

function optionsOf(name: string, options: unknown): Options {
  if (options === undefined) return {};
  if (options === null || typeof options !== 'object' || isRows(options)) {
    throw typeError(name, 'options', 'an object', quoted(options));
  }
  return options as Options;
}

function inputOf(name: string, card: RowCard, index: number, value: unknown): Matrix | undefined {
  if (card.family === 'midpoint') return value === undefined ? undefined : weightColumn(name, value as Rows);
  return asMatrix(name, nameOf(card, index), value as Rows);
}

function optionalParameter(name: string, parameter: RowParameter, value: unknown): number {
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
