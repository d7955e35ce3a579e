import { integer } from './check.ts';
import { coded, rangeError, shapeError, typeError } from './errors.ts';

/** Class labels, one a row: numbers, bigints or strings in any array. */
export type Labels = ArrayLike<number | bigint | string>;

/** How the rows of a batch fall into classes and views. */
export interface Views {
  /** Samples of each class, 2 or more. */
  readonly views: number;
  /** `order[class * views + view]` = the row that holds it; null when the rows stand class by class. */
  readonly order: Int32Array | null;
}

/** Views from `labels` (any order, equal counts) or, without them, from `views` (rows class by class). */
export function batchViews(
  operation: string,
  rows: number,
  views: number | undefined,
  labels: Labels | undefined,
): Views {
  if (labels === undefined) {
    const count = integer(operation, 'views', views, 2, Number.MAX_SAFE_INTEGER);
    if (rows === 0) throw shapeError(operation, 'views', `${count} rows or more`, 'none');
    if (rows % count !== 0) {
      throw shapeError(operation, 'views', `a divisor of the ${rows} rows`, String(count));
    }
    return { views: count, order: null };
  }
  checkLabels(operation, labels, rows);
  const classes = rowsByClass(labels);
  const count = equalCount(operation, classes);
  if (views !== undefined && views !== count) {
    throw rangeError(operation, 'views', `${count}, the rows of every class in labels`, views);
  }
  return { views: count, order: Int32Array.from([...classes.values()].flat()) };
}

/** Throws unless there is one label a row. */
export function checkLabels(operation: string, labels: Labels, rows: number): void {
  if (typeof labels !== 'object' || labels === null || typeof labels.length !== 'number') {
    throw typeError(operation, 'labels', 'an array of labels', labels);
  }
  if (labels.length !== rows) throw shapeError(operation, 'labels', `${rows} labels`, String(labels.length));
}

/** The rows of each label, in the order in which the labels come first. */
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

function equalCount(operation: string, classes: Map<unknown, number[]>): number {
  const [first] = classes;
  if (first === undefined) throw shapeError(operation, 'labels', 'at least one class', 'none');
  const count = first[1].length;
  for (const [label, rows] of classes) {
    if (rows.length === count) continue;
    const text = `class ${label} has ${rows.length}, class ${first[0]} has ${count}`;
    const message = `[${operation}] labels: expected as many rows of every class, got unequal counts: ${text}`;
    throw coded('ERR_HOROBALL_LABELS', message, RangeError);
  }
  if (count < 2) throw shapeError(operation, 'labels', 'at least 2 rows of every class', '1');
  return count;
}
