import type { Accuracy } from '../cards.ts';
import { shapeError } from '../errors.ts';
import type { Matrix } from '../matrix.ts';
import { core } from '../native.ts';

/** One row-wise operation, as its card (native/ops/row/) describes it. */
export interface RowCard {
  readonly name: string;
  readonly doc: string;
  /** Special cases of the gradient; may be empty. */
  readonly gradient: string;
  readonly inputs: readonly RowInput[];
  /** The card's parameter, a number: an argument before the inputs if `leading`, otherwise an option. */
  readonly parameter: RowParameter | null;
  /** Output per row: a vector, a number, or a vector with an additional leading coordinate. */
  readonly result: 'vector' | 'number' | 'lifted';
  readonly family: 'row' | 'matvec' | 'midpoint' | 'planes';
  /** Whether the first input has an additional leading coordinate. */
  readonly liftedInput: boolean;
  /** Whether the formula depends on c. */
  readonly curved: boolean;
  /** Whether `compat: 'hypmix'` changes the guards. */
  readonly published: boolean;
  readonly tolerance: Accuracy;
}

/** One input, and the space of its rows. */
export interface RowInput {
  readonly name: string;
  readonly doc: string;
  readonly domain: 'ball' | 'klein' | 'hyperboloid' | 'anywhere';
}

/** The parameter of a card. `null`: no default, or no bound. */
export interface RowParameter {
  readonly name: string;
  readonly doc: string;
  readonly start: number | null;
  readonly low: number | null;
  readonly high: number | null;
  readonly leading: boolean;
}

let cards: readonly RowCard[] | undefined;

/** Returns all cards, in the order of the core. */
export function rowCards(): readonly RowCard[] {
  cards ??= JSON.parse(core().rowCards) as RowCard[];
  return cards;
}

/**
 * The head as the core describes it: the names of its operations, the smallest norm by which it divides, and the
 * published guards.
 */
interface HeadCard {
  readonly operations: readonly string[];
  readonly unitFloor: number;
  readonly published: Readonly<Record<string, number>>;
}

const headCard = (): HeadCard => JSON.parse(core().headCards) as HeadCard;

/**
 * Returns the cards of the operations with which a head maps a row to the ball, in order. The parameter of the first
 * card is the norm at which the head clips.
 */
export function headCards(): readonly RowCard[] {
  return headCard().operations.map((name) => rowCards().find((card) => card.name === name)!);
}

/** Returns the smallest norm by which the head divides a feature to get a unit row (kUnitFloor in native/core.h). */
export function unitFloor(): number {
  return headCard().unitFloor;
}

/** Returns the published guards of the head's operations (native/ops/hypmix.h), by name. */
export function headGuards(): HeadCard['published'] {
  return headCard().published;
}

/** A call's rows and the shape of its result. */
export interface RowShape {
  readonly n: number;
  readonly rows: number;
  readonly cols: number;
}

/** Maximum number of columns of a matrix without rows, which has no data to bound them. */
const maxEmptyCols = 2 ** 20;

/** Checks that the inputs match, and returns the shape of the call. Only the midpoint's weights may be missing. */
export function rowShape(
  operation: string,
  card: RowCard,
  inputs: readonly (Matrix | undefined)[],
): RowShape {
  const first = inputs[0] as Matrix;
  const check = (index: number, rows: number, cols: number) => {
    const { rows: gotRows, cols: gotCols } = inputs[index] as Matrix;
    if (gotRows === rows && gotCols === cols) return;
    throw shapeError(operation, nameOf(card, index), `${rows} x ${cols}`, `${gotRows} x ${gotCols}`);
  };
  switch (card.family) {
    case 'matvec': {
      const n = (inputs[1] as Matrix).rows;
      someRows(operation, nameOf(card, 0), first);
      check(1, n, first.cols);
      return { n, rows: n, cols: first.rows };
    }
    case 'midpoint':
      if (first.rows === 0 && first.cols > maxEmptyCols)
        throw shapeError(
          operation,
          nameOf(card, 0),
          `at most ${maxEmptyCols} columns in a matrix without rows`,
          `${first.cols}`,
        );
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

/** Throws for a matrix without rows: its rows become columns of the result, which must have at least one. */
function someRows(operation: string, argument: string, { rows }: Matrix): void {
  if (rows === 0) throw shapeError(operation, argument, 'at least one row', 'none');
}

/**
 * Checks that every input has n rows, or one row that is broadcast, and that columns match except for a
 * leading coordinate.
 */
function rowByRow(operation: string, card: RowCard, inputs: readonly Matrix[]): RowShape {
  let n = 1;
  for (let index = 0; index < inputs.length && n === 1; ++index) n = (inputs[index] as Matrix).rows;
  const d = (inputs[0] as Matrix).cols - (card.liftedInput ? 1 : 0);
  if (d < 1) throw shapeError(operation, nameOf(card, 0), '2 or more columns', '1');
  for (let index = 0; index < inputs.length; ++index) {
    const { rows, cols } = inputs[index] as Matrix;
    if (rows !== n && rows !== 1)
      throw shapeError(operation, nameOf(card, index), `${n} rows or 1`, `${rows}`);
    if (index > 0 && cols !== d) throw shapeError(operation, nameOf(card, index), `${d} columns`, `${cols}`);
  }
  return { n, rows: n, cols: card.result === 'number' ? 1 : card.result === 'lifted' ? d + 1 : d };
}

/** Returns the name of an input, for errors. */
export function nameOf(card: RowCard, index: number): string {
  return card.inputs[index]?.name ?? `input ${index}`;
}
