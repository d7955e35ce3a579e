import type { Steps } from './call/run.ts';
import { inSlices } from './call/slices.ts';
import { checkOptions } from './check.ts';
import { rangeError, shapeError, typeError } from './errors.ts';
import { integerList } from './integers.ts';
import { allocateArray } from './matrix.ts';
import { checkLabels, classesOf, type Labels } from './views.ts';

/**
 * The positive pairs of a batch as a sparse matrix in CSR format, as in SciPy: the positives of anchor i are
 * `indices[indptr[i]]` to `indices[indptr[i + 1] - 1]`, ascending.
 */
export interface PositiveMask {
  /** One element more than there are anchors. */
  readonly indptr: ArrayLike<number>;
  /**
   * Row numbers of the references or, without references, of the batch itself. The mask of a batch must be symmetric,
   * and pairs of a row with itself have no effect.
   */
  readonly indices: ArrayLike<number>;
}

/** One label per row, or several columns of them: rows that share a label in any column are positives. */
export type LabelColumns = Labels | readonly Labels[];

/** The positive pairs as the core expects them (native/core.h): columns of class numbers, or lists. */
export interface PositivePairs {
  readonly columns: number;
  readonly labels: Int32Array | null;
  readonly refLabels: Int32Array | null;
  readonly positiveCount: number;
  readonly starts: Int32Array | null;
  readonly positives: Int32Array | null;
}

/** The numbers of rows; `references` is undefined if the anchors are compared with each other. */
export interface PairRows {
  readonly anchors: number;
  readonly references: number | undefined;
}

const noPairs = {
  columns: 0,
  labels: null,
  refLabels: null,
  positiveCount: 0,
  starts: null,
  positives: null,
};

/** Returns the positive pairs that labels or a mask define. Throws unless exactly one of the two is given. */
export function* positivePairs(
  operation: string,
  rows: PairRows,
  labels: LabelColumns | undefined,
  refLabels: LabelColumns | undefined,
  mask: PositiveMask | undefined,
): Steps<PositivePairs> {
  if (mask !== undefined) {
    if (labels !== undefined || refLabels !== undefined)
      throw rangeError(operation, 'positives', 'either labels or positives', 'both');
    return yield* maskedPairs(operation, rows, mask);
  }
  if (labels === undefined) throw typeError(operation, 'labels', 'labels or positives', undefined);
  return yield* labeledPairs(operation, rows, labels, refLabels);
}

/**
 * Returns a copy of the columns of labels, because the caller's list may change during the call; undefined for one label
 * per row.
 */
function columnsOf(operation: string, argument: string, labels: LabelColumns): Labels[] | undefined {
  if (!Array.isArray(labels)) return undefined;
  const { length } = labels;
  if (length === 0 || !isColumn(labels[0])) return undefined;
  const columns: Labels[] = [];
  for (let place = 0; place < length; ++place) {
    const column: unknown = labels[place];
    if (!isColumn(column)) throw typeError(operation, `${argument}[${place}]`, 'an array of labels', column);
    columns.push(column);
  }
  return columns;
}

function isColumn(value: unknown): value is Labels {
  return typeof value === 'object' && value !== null;
}

function* labeledPairs(
  operation: string,
  { anchors, references }: PairRows,
  labels: LabelColumns,
  refLabels: LabelColumns | undefined,
): Steps<PositivePairs> {
  const several = columnsOf(operation, 'labels', labels);
  const columns = several ?? [labels as Labels];
  const numbers = allocateArray(operation, Int32Array, columns.length * anchors);
  const refNumbers = allocateArray(operation, Int32Array, columns.length * (references ?? 0));
  const refColumns = references === undefined ? [] : refColumnsOf(operation, columns, refLabels);
  for (const [place, column] of columns.entries()) {
    const argument = several === undefined ? 'labels' : `labels[${place}]`;
    const all = yield* checkLabels(operation, column, anchors, argument);
    if (references !== undefined) {
      const others = yield* checkLabels(operation, refColumns[place]!, references, `ref.${argument}`);
      yield* inSlices(others.length, (begin, end) => {
        for (let i = begin; i < end; ++i) all.push(others[i]!);
      });
    }
    const classes = (yield* classesOf(all)).numbers;
    numbers.set(classes.subarray(0, anchors), place * anchors);
    refNumbers.set(classes.subarray(anchors), place * (references ?? 0));
  }
  const given = references === undefined ? null : refNumbers;
  return { ...noPairs, columns: columns.length, labels: numbers, refLabels: given };
}

function refColumnsOf(
  operation: string,
  columns: readonly Labels[],
  refLabels: LabelColumns | undefined,
): readonly Labels[] {
  if (refLabels === undefined)
    throw typeError(operation, 'ref.labels', 'labels in the same form as those of the anchors', undefined);
  const refColumns = columnsOf(operation, 'ref.labels', refLabels) ?? [refLabels as Labels];
  if (refColumns.length === columns.length) return refColumns;
  throw shapeError(operation, 'ref.labels', `${columns.length} columns of labels`, String(refColumns.length));
}

const knownMask: ReadonlySet<string> = new Set(['indptr', 'indices']);

function* maskedPairs(
  operation: string,
  { anchors, references }: PairRows,
  given: PositiveMask,
): Steps<PositivePairs> {
  const { indptr, indices } = checkOptions(operation, given, 'positives', knownMask);
  const candidates = references ?? anchors;
  const list = yield* integerList(operation, 'positives.indices', indices, {
    least: 0,
    most: candidates - 1,
  });
  const { length } = list;
  const limits = { least: 0, most: length, length: anchors + 1 };
  const starts = yield* integerList(operation, 'positives.indptr', indptr, limits);
  if (starts[0] !== 0 || starts[anchors] !== length)
    throw rangeError(
      operation,
      'positives.indptr',
      `0 as the first element and ${length} as the last`,
      `${starts[0]} and ${starts[anchors]}`,
    );
  yield* inSlices(anchors, (begin, end) => {
    for (let i = begin; i < end; ++i) {
      if (starts[i]! > starts[i + 1]!)
        throw rangeError(
          operation,
          'positives.indptr',
          'ascending numbers',
          `${starts[i + 1]} after ${starts[i]}`,
        );
    }
  });
  yield* inSlices(
    anchors,
    (begin, end) => {
      for (let i = begin; i < end; ++i) checkList(operation, list, starts, i, references === undefined);
    },
    1 << 8,
  );
  return { ...noPairs, positiveCount: length, starts, positives: list };
}

/** Checks that the positives of an anchor are ascending and, if `isSymmetric`, that it is a positive of each of them. */
function checkList(
  operation: string,
  list: Int32Array,
  starts: Int32Array,
  anchor: number,
  isSymmetric: boolean,
): void {
  for (let at = starts[anchor]!; at < starts[anchor + 1]!; ++at) {
    const row = list[at]!;
    if (at > starts[anchor]! && list[at - 1]! >= row)
      throw rangeError(
        operation,
        'positives.indices',
        'ascending rows',
        `${row} after ${list[at - 1]} for row ${anchor}`,
      );
    if (isSymmetric && !has(list, starts[row]!, starts[row + 1]!, anchor)) {
      const got = `row ${row} as a positive of row ${anchor} but not the reverse`;
      throw rangeError(operation, 'positives', 'a symmetric mask', got);
    }
  }
}

/** Whether elements `from` to `to - 1` of a list, which are ascending, include `value`. */
function has(list: Int32Array, from: number, to: number, value: number): boolean {
  let [low, high] = [from, to];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (list[middle]! < value) low = middle + 1;
    else high = middle;
  }
  return low < to && list[low] === value;
}
