import { shapeError } from './errors.ts';
import type { Matrix } from './matrix.ts';
import { core } from './native.ts';

/** One row-wise operation as its card (native/ops/row/) describes it. */
export interface RowCard {
  readonly name: string;
  readonly doc: string;
  /** Where the gradient is special; may be empty. */
  readonly gradient: string;
  readonly inputs: readonly RowInput[];
  /** The card's own number: before the inputs when `leading`, else an option. */
  readonly parameter: RowParameter | null;
  /** What a row becomes: a vector, a number, or a vector with one coordinate more in front. */
  readonly result: 'vector' | 'number' | 'lifted';
  readonly family: 'row' | 'matvec' | 'midpoint' | 'planes';
  /** The first input has one coordinate more in front. */
  readonly liftedInput: boolean;
  /** c enters the formula. */
  readonly curved: boolean;
  /** `compat: 'hypmix'` has guards of its own. */
  readonly published: boolean;
  /** Worst relative error against the oracle, float64. */
  readonly tolerance: number;
}

/** One input, and where its rows lie. */
export interface RowInput {
  readonly name: string;
  readonly doc: string;
  readonly domain: 'ball' | 'klein' | 'hyperboloid' | 'anywhere';
}

/** A card's own number. `null`: no default, no bound. */
export interface RowParameter {
  readonly name: string;
  readonly doc: string;
  readonly start: number | null;
  readonly low: number | null;
  readonly high: number | null;
  readonly leading: boolean;
}

let cards: readonly RowCard[] | undefined;

/** All cards, in the core's order. */
export function rowCards(): readonly RowCard[] {
  cards ??= JSON.parse(core().rowCards) as RowCard[];
  return cards;
}

/** A call's rows and the shape of its result. */
export interface RowShape {
  readonly n: number;
  readonly rows: number;
  readonly cols: number;
}

/** Checks that the inputs of an operation fit together; a missing one is the midpoint's weights. */
export function rowShape(
  operation: string,
  card: RowCard,
  inputs: readonly (Matrix | undefined)[],
): RowShape {
  const first = inputs[0] as Matrix;
  const check = (place: number, rows: number, cols: number) => {
    const { rows: gotRows, cols: gotCols } = inputs[place] as Matrix;
    if (gotRows === rows && gotCols === cols) return;
    throw shapeError(operation, nameOf(card, place), `${rows} x ${cols}`, `${gotRows} x ${gotCols}`);
  };
  switch (card.family) {
    case 'matvec': {
      const n = (inputs[1] as Matrix).rows;
      someRows(operation, nameOf(card, 0), first);
      check(1, n, first.cols);
      return { n, rows: n, cols: first.rows };
    }
    case 'midpoint':
      if (inputs[1] !== undefined) check(1, first.rows, 1);
      return { n: first.rows, rows: 1, cols: first.cols };
    case 'planes': {
      const classes = (inputs[1] as Matrix).rows;
      someRows(operation, nameOf(card, 1), inputs[1] as Matrix);
      check(1, classes, first.cols);
      check(2, classes, first.cols);
      return { n: first.rows, rows: first.rows, cols: classes };
    }
    case 'row':
      return rowByRow(operation, card, inputs as readonly Matrix[]);
  }
}

/** These rows become columns, of which every matrix has one. */
function someRows(operation: string, argument: string, { rows }: Matrix): void {
  if (rows === 0) throw shapeError(operation, argument, 'at least one row', 'none');
}

/** Every input has n rows, or one for all; the same columns but for a coordinate in front. */
function rowByRow(operation: string, card: RowCard, inputs: readonly Matrix[]): RowShape {
  let n = 1;
  for (let place = 0; place < inputs.length && n === 1; ++place) n = (inputs[place] as Matrix).rows;
  const d = (inputs[0] as Matrix).cols - (card.liftedInput ? 1 : 0);
  if (d < 1) throw shapeError(operation, nameOf(card, 0), '2 or more columns', '1');
  for (let place = 0; place < inputs.length; ++place) {
    const { rows, cols } = inputs[place] as Matrix;
    if (rows !== n && rows !== 1)
      throw shapeError(operation, nameOf(card, place), `${n} rows or 1`, `${rows}`);
    if (place > 0 && cols !== d) throw shapeError(operation, nameOf(card, place), `${d} columns`, `${cols}`);
  }
  return { n, rows: n, cols: card.result === 'number' ? 1 : card.result === 'lifted' ? d + 1 : d };
}

/** An input's name. */
export function nameOf(card: RowCard, place: number): string {
  return card.inputs[place]?.name ?? `input ${place}`;
}
