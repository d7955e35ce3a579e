import { allocate, checkKept, type Matrix, type Reals } from './matrix.ts';
import { nextTurn } from './next-turn.ts';

/** The rows of a gallery, in the order of their numbers. Never changed in place below `used`. */
export interface Store<T extends Reals> {
  readonly data: T;
  readonly cols: number;
  /** Rows in use; the rest of `data` is room to grow. */
  readonly used: number;
  readonly numbers: Int32Array;
  readonly labels: Int32Array;
  /** 0 where a row has been removed. */
  readonly alive: Uint8Array;
  readonly size: number;
}

/** Elements copied between two turns of the event loop: well under a millisecond. */
const slice = 1 << 18;

/** A store of no rows. */
export function emptyStore<T extends Reals>(operation: string, like: Matrix<T>): Store<T> {
  const none = new Int32Array(0);
  const data = allocate(operation, like.data, 0);
  return { data, cols: like.cols, used: 0, numbers: none, labels: none, alive: new Uint8Array(0), size: 0 };
}

/** The living rows of a store in new memory with room for `capacity` rows. */
export async function moved<T extends Reals>(
  operation: string,
  old: Store<T>,
  capacity: number,
): Promise<Store<T>> {
  const data = allocate(operation, old.data, capacity * old.cols);
  const numbers = new Int32Array(capacity);
  const labels = new Int32Array(capacity);
  const alive = new Uint8Array(capacity).fill(1, 0, old.size);
  let used = 0;
  for (let row = 0; row < old.used; ) {
    let end = row;
    while (end < old.used && old.alive[end] === 1) ++end;
    await copy(
      operation,
      'gallery',
      old.data.subarray(row * old.cols, end * old.cols),
      data,
      used * old.cols,
    );
    numbers.set(old.numbers.subarray(row, end), used);
    labels.set(old.labels.subarray(row, end), used);
    used += end - row;
    row = end + 1;
  }
  return { data, cols: old.cols, used, numbers, labels, alive, size: used };
}

/** Copies in slices, between which the event loop turns; `argument` is whose rows they are, for errors. */
export async function copy(
  operation: string,
  argument: string,
  from: Reals,
  to: Reals,
  at: number,
): Promise<void> {
  const { length } = from;
  for (let begin = 0; begin < length; begin += slice) {
    if (begin > 0) await nextTurn();
    checkKept(operation, argument, from, length);
    to.set(from.subarray(begin, begin + slice), at + begin);
  }
}

/** The row that has a number, or -1. */
export function find({ numbers, used }: Store<Reals>, number: number): number {
  let low = 0;
  let high = used;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (numbers[middle]! < number) low = middle + 1;
    else high = middle;
  }
  return low < used && numbers[low] === number ? low : -1;
}

/** 1 where a row lives; nothing where all do. */
export function livingMask({ alive, used, size }: Store<Reals>): Uint8Array | undefined {
  return size === used ? undefined : alive.subarray(0, used);
}

/** 1 where a living row has one of the labels. */
export function labelMask({ alive, labels, used }: Store<Reals>, wanted: ReadonlySet<number>): Uint8Array {
  const mask = new Uint8Array(used);
  for (let row = 0; row < used; ++row) mask[row] = alive[row]! & Number(wanted.has(labels[row]!));
  return mask;
}
