import type { Steps } from './call/run.ts';
import { inSlices } from './call/slices.ts';
import { integer } from './check.ts';
import { coded, describe, rangeError, shapeError, typeError } from './errors.ts';
import { listLength } from './integers.ts';
import { checkKept } from './matrix.ts';

/** Class labels, one per row: numbers, bigints or strings in any array. */
export type Labels = ArrayLike<number | bigint | string>;

/** How the rows of a batch are divided into classes and views. */
export interface Views {
  /** Samples per class, 2 or more. */
  readonly views: number;
  /** `order[class * views + view]` is the row of a sample; null if the rows are ordered by class. */
  readonly order: Int32Array | null;
}

/**
 * Returns how the rows are divided into views, from `labels` (in any order, with equal counts) or, without them, from
 * `views` (rows ordered by class).
 */
export function* batchViews(
  operation: string,
  rows: number,
  views: number | undefined,
  labels: Labels | undefined,
): Steps<Views> {
  if (labels === undefined) {
    const count = integer(operation, 'views', views, 2, Number.MAX_SAFE_INTEGER);
    if (rows === 0) throw shapeError(operation, 'views', `${count} rows or more`, 'none');
    if (rows % count !== 0) {
      throw shapeError(operation, 'views', `a divisor of the number of rows (${rows})`, String(count));
    }
    return { views: count, order: null };
  }
  const classes = yield* classesOf(yield* checkLabels(operation, labels, rows));
  const count = yield* equalCount(operation, classes);
  if (views !== undefined && views !== count) {
    throw rangeError(operation, 'views', `${count}, the number of rows of each class in labels`, views);
  }
  return { views: count, order: yield* orderOf(classes, count) };
}

/** Returns the row of each sample, by class and view. */
function* orderOf({ numbers, names }: Classes, views: number): Steps<Int32Array> {
  const order = new Int32Array(numbers.length);
  const found = new Int32Array(names.length);
  yield* inSlices(numbers.length, (begin, end) => {
    for (let row = begin; row < end; ++row) {
      const number = numbers[row]!;
      order[number * views + found[number]!++] = row;
    }
  });
  return order;
}

/** Labels as numbers from 0, in order of first appearance. */
export interface Classes {
  /** The number of each row's class. */
  readonly numbers: Int32Array;
  /** The label of each class. */
  readonly names: readonly (number | bigint | string)[];
}

const [secret, odd] = [Math.floor(Math.random() * 2 ** 32), 2 * Math.floor(Math.random() * 2 ** 31) + 1];

/**
 * Returns a map key whose hash cannot be predicted. V8 hashes numbers without a seed, so a file could contain labels that
 * all have the same hash, and every lookup would scan them.
 */
function keyOf(label: number | bigint): number | bigint | string {
  if (typeof label === 'bigint') return `${label.toString(16)}n`; // decimal digits would take quadratic time
  if (typeof label !== 'number') return label; // a boolean, which is accepted although `Labels` does not declare it
  return (label | 0) === label ? Math.imul(label ^ secret, odd) : `${label}`;
}

/** Assigns a number to each distinct label, and returns the number of each row. */
export function* classesOf(labels: Labels): Steps<Classes> {
  const [texts, others] = [new Map<string, number>(), new Map<number | bigint | string, number>()];
  const numbers = new Int32Array(labels.length);
  const names: (number | bigint | string)[] = [];
  yield* inSlices(numbers.length, (begin, end) => {
    for (let row = begin; row < end; ++row) {
      const label = labels[row]!;
      const isText = typeof label === 'string';
      const [known, key] = isText ? [texts, label] : [others, keyOf(label)];
      const number = known.get(key) ?? names.length;
      numbers[row] = number;
      if (number < names.length) continue;
      known.set(key, number);
      names.push(label);
    }
  });
  return { numbers, names };
}

/** Returns a copy of the labels, each read once. Throws unless there is one label per row. */
export function* checkLabels(
  operation: string,
  labels: Labels,
  rows: number,
  argument = 'labels',
): Steps<(number | bigint | string)[]> {
  const length = listLength(operation, argument, labels, 'an array of labels');
  if (length !== rows) throw shapeError(operation, argument, `${rows} labels`, String(length));
  const copy: (number | bigint | string)[] = [];
  yield* inSlices(length, (begin, end) => {
    if (ArrayBuffer.isView(labels)) checkKept(operation, argument, labels, length);
    for (let row = begin; row < end; ++row) {
      const label = labels[row]!;
      if (!labelTypes.has(typeof label))
        throw typeError(operation, `${argument}[${row}]`, 'a number, bigint or string', label);
      copy.push(label);
    }
  });
  return copy;
}

/** The accepted types of labels. Others are rejected, because a missing label, for example, would count as a class. */
const labelTypes: ReadonlySet<string> = new Set(['number', 'bigint', 'string', 'boolean']);

/** Returns the rows of each label, in order of first appearance. */
export function rowsByClass<L>(labels: ArrayLike<L>): Map<L, number[]> {
  const classes = new Map<L, number[]>();
  for (let row = 0; row < labels.length; ++row) {
    const label = labels[row]!;
    const found = classes.get(label);
    if (found === undefined) classes.set(label, [row]);
    else found.push(row);
  }
  return classes;
}

/** Returns the number of rows per class, which must be equal for all classes. */
function* equalCount(operation: string, { numbers, names }: Classes): Steps<number> {
  if (names.length === 0) throw shapeError(operation, 'labels', 'at least one class', 'none');
  const counts = new Int32Array(names.length);
  yield* inSlices(numbers.length, (begin, end) => {
    for (let row = begin; row < end; ++row) counts[numbers[row]!]! += 1;
  });
  const count = counts[0]!;
  const other = counts.findIndex((each) => each !== count);
  if (other >= 0) {
    const text = `${counts[other]} for class ${describe(names[other])} and ${count} for class ${describe(names[0])}`;
    const message = `[${operation}] labels: expected the same number of rows per class, got ${text}`;
    throw coded('ERR_HOROBALL_LABELS', message, RangeError);
  }
  if (count < 2) throw shapeError(operation, 'labels', 'at least 2 rows per class', '1');
  return count;
}
