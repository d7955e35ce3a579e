// The index of a gallery. Each row has 8-bit codes, which bound its distance from any query, and is in the list of its
// nearest center. The core builds and searches the index (native/cpu/lists); this file runs the k-means iterations and
// allocates the memory.
import { centers as coreCenters, encode as coreEncode, probe } from '../call/binding-calls.ts';
import { type CallOptions, pause, type Steps } from '../call/run.ts';
import { gatherRows, inSlices, range } from '../call/slices.ts';
import { deviceIndex, integer, threadCount } from '../check.ts';
import { allocate, allocateArray, checkAttached, type Matrix, type Reals, rowsAt } from '../matrix.ts';
import { core } from '../native.ts';
import { type AnyMetricOptions, metricNumbers } from '../pairwise.ts';
import { random, shuffle } from '../random.ts';
import { type Neighbors, topKSteps } from '../topk.ts';

/** Options of {@link Gallery.buildIndex}. */
export interface IndexBuildOptions extends CallOptions {
  /** Number of lists, from 1 to the number of rows. Default: twice the square root of the number of rows. */
  lists?: number | undefined;
  /** Seed of the sample of rows from which the centers are computed; default 0. */
  seed?: number | undefined;
  /** Called with the number of rows that were compared with the centers so far, and the total. */
  onProgress?: ((done: number, total: number) => void) | undefined;
}

/** The size of an index. */
export interface IndexSize {
  /** Number of lists. */
  readonly lists: number;
  /** Number of rows that the index covers. */
  readonly rows: number;
  /** Memory in bytes, in addition to the rows. */
  readonly bytes: number;
}

/** An index, never changed in place: each row is in the list of its nearest center. native/core.h documents the arrays. */
export interface GalleryIndex<T extends Reals> {
  readonly centers: Matrix<T>;
  /** The list of each row that the index covers; rows that cannot be found (NaN, outside the ball) have -1. */
  readonly lists: Int32Array;
  /** The first slot (position in `ids`) of each list, and the end of the last list. */
  readonly starts: Int32Array;
  readonly ids: Int32Array;
  readonly codes: Uint8Array;
  readonly facts: Float32Array;
  readonly panels: Float32Array;
  readonly bounds: Float32Array;
}

/** Maximum number of lists, as in native/bind/calls.h. */
export const mostLists: number = 2 ** 24;

/**
 * Layout of the index, as in native/core.h: slots per block, and numbers per slot and per list. The core rejects arrays
 * of other lengths.
 */
export const indexLayout = { blockSlots: 16, slotFacts: 4, listFacts: 4 } as const;
const { blockSlots, slotFacts, listFacts } = indexLayout;
/** Number of k-means iterations, and of sampled rows per list: a sample suffices for a mean. */
const iterations = 8;
const rowsPerList = 64;
/** Rows that are compared with the centers between two progress reports. */
const chunk = 1 << 14;

const roundUp = (n: number): number => Math.ceil(n / blockSlots) * blockSlots;

export function indexSize({ centers, lists, ...arrays }: GalleryIndex<Reals>): IndexSize {
  const { starts, ids, codes, facts, panels, bounds } = arrays;
  const memory = [centers.data, lists, starts, ids, codes, facts, panels, bounds];
  const bytes = memory.reduce((sum, array) => sum + array.byteLength, 0);
  return { lists: centers.rows, rows: lists.length, bytes };
}

/** Builds the index of `rows`. If `known`, an index of the first rows, is given, its centers are kept. */
export function* buildIndex<T extends Reals>(
  operation: string,
  rows: Matrix<T>,
  metric: AnyMetricOptions,
  options: Omit<IndexBuildOptions, 'lists'> & { lists: number },
  known?: GalleryIndex<T>,
): Steps<GalleryIndex<T>> {
  const { threads, device, onProgress } = options;
  const call: Comparison = { ...metric, threads, device };
  const sampled = known === undefined ? Math.min(rows.rows, rowsPerList * options.lists) : 0;
  const first = known?.lists.length ?? 0;
  const total = iterations * sampled + rows.rows - first;
  let done = 0;
  const progress = (count: number): void => {
    done += count;
    onProgress?.(done, total);
  };
  const centers = known?.centers ?? (yield* trainCenters(operation, rows, sampled, options, call, progress));
  const lists = allocateArray(operation, Int32Array, rows.rows);
  if (known !== undefined) lists.set(known.lists);
  yield* assign(operation, rows, centers, call, lists, first, progress);
  return yield* encodeIndex(operation, rows, centers, lists, call);
}

type Comparison = AnyMetricOptions & CallOptions;

/** Runs `rounds` iterations of k-means on a random sample of `count` rows, and returns the centers. */
export function* trainCenters<T extends Reals>(
  operation: string,
  rows: Matrix<T>,
  count: number,
  { lists: wanted, seed = 0 }: { lists: number; seed?: number | undefined },
  call: Comparison,
  progress: (count: number) => void,
  rounds: number = iterations,
): Steps<Matrix<T>> {
  const next = random(seed, rows.rows, wanted);
  const order = yield* range(rows.rows);
  const end = rows.rows - count;
  yield* inSlices(count, (begin, last) => {
    shuffle(next, order, rows.rows - begin, rows.rows - last);
  });
  const sample = yield* gatherRows(operation, 'rows', rows, order.subarray(end));
  // Rows without a distance from the origin (NaN, outside the ball) cannot be centers.
  const origin = { data: allocate(operation, rows.data, rows.cols), rows: 1, cols: rows.cols };
  const near = yield* topKSteps(operation, sample, origin, { ...call, k: 1 });
  const found: number[] = [];
  yield* inSlices(count, (begin, last) => {
    for (let i = begin; i < last; ++i) if (near.indices[i] === 0) found.push(i);
  });
  if (found.length === 0) return origin;
  const centers = rowsAt(operation, sample, found.slice(0, wanted));
  const lists = new Int32Array(count);
  const counts = new Int32Array(centers.rows);
  for (let iteration = 0; iteration < rounds; ++iteration) {
    yield* assign(operation, sample, centers, call, lists, 0, progress);
    yield* moveCenters(operation, sample, centers, lists, counts, call);
    // Moves each center without rows to a random row.
    for (let list = 0; list < centers.rows; ++list) {
      if (counts[list] !== 0) continue;
      const from = found[Math.floor(next() * found.length)]! * rows.cols;
      centers.data.set(sample.data.subarray(from, from + rows.cols), list * rows.cols);
      yield pause;
    }
  }
  return centers;
}

/** Writes the number of the nearest center to `lists`, for each row from `first` on. */
function* assign<T extends Reals>(
  operation: string,
  { data, rows, cols }: Matrix<T>,
  centers: Matrix<T>,
  call: Comparison,
  lists: Int32Array,
  first: number,
  progress: (count: number) => void,
): Steps<void> {
  for (let begin = first; begin < rows; begin += chunk) {
    const end = Math.min(rows, begin + chunk);
    const part = { data: data.subarray(begin * cols, end * cols) as T, rows: end - begin, cols };
    const { indices } = yield* topKSteps(operation, part, centers, { ...call, k: 1 });
    lists.set(indices, begin);
    progress(end - begin);
  }
}

/**
 * Moves each center to the mean of its rows, or to 0 if it has no rows. `counts` receives the number of rows per list.
 */
export function* moveCenters(
  operation: string,
  rows: Matrix,
  centers: Matrix,
  lists: Int32Array,
  counts: Int32Array,
  { threads, device, ...metric }: Comparison,
): Steps<void> {
  const numbers = metricNumbers(operation, metric);
  const where = { device: onCpu(operation, device), threads: threadCount(operation, threads) };
  const start = (job: number) =>
    coreCenters(core(), { ...numbers, ...where, rows, centers, lists, counts, job });
  yield { start, finish: () => {} };
}

/** Encodes rows, given the list of each, and returns the complete index. */
export function* encodeIndex<T extends Reals>(
  operation: string,
  rows: Matrix<T>,
  centers: Matrix<T>,
  lists: Int32Array,
  { threads, device, ...metric }: Comparison,
): Steps<GalleryIndex<T>> {
  const numbers = metricNumbers(operation, metric);
  const starts = new Int32Array(centers.rows + 1);
  yield* inSlices(lists.length, (begin, end) => {
    for (let i = begin; i < end; ++i)
      ++starts[(lists[i]! >= 0 && lists[i]! < centers.rows ? lists[i]! : 0) + 1]!;
  });
  yield* inSlices(centers.rows, (begin, end) => {
    for (let list = begin; list < end; ++list) starts[list + 1] = starts[list]! + roundUp(starts[list + 1]!);
  });
  const slots = starts[centers.rows]!;
  const index: GalleryIndex<T> = {
    centers,
    lists,
    starts,
    ids: allocateArray(operation, Int32Array, slots),
    codes: allocateArray(operation, Uint8Array, slots * 2 * Math.ceil(rows.cols / 2)),
    facts: allocateArray(operation, Float32Array, slots * slotFacts),
    panels: allocateArray(operation, Float32Array, roundUp(centers.rows) * rows.cols),
    bounds: allocateArray(operation, Float32Array, centers.rows * listFacts),
  };
  const covered = {
    data: rows.data.subarray(0, lists.length * rows.cols),
    rows: lists.length,
    cols: rows.cols,
  };
  const where = { device: onCpu(operation, device), threads: threadCount(operation, threads) };
  const start = (job: number) =>
    coreEncode(core(), { ...numbers, ...where, ...index, rows: covered, slots, job });
  yield { start, finish: () => {} };
  return index;
}

/** Returns the core's number for the device. Indexes are supported only on the CPU, so `'auto'` selects it. */
export function onCpu(operation: string, device: CallOptions['device']): number {
  const index = deviceIndex(operation, device);
  return index === -2 ? -1 : index;
}

/** Returns the default number of lists. */
export function defaultLists(rows: number): number {
  return Math.max(1, Math.min(mostLists, Math.round(2 * Math.sqrt(rows))));
}

/** Validates the options of a build. */
export function buildOptions(
  operation: string,
  rows: number,
  { lists, seed, ...others }: IndexBuildOptions,
): Omit<IndexBuildOptions, 'lists'> & { lists: number } {
  return {
    ...others,
    lists:
      lists === undefined
        ? defaultLists(rows)
        : integer(operation, 'lists', lists, 1, Math.min(rows, mostLists)),
    seed: seed === undefined ? 0 : integer(operation, 'seed', seed, 0, 2 ** 32 - 1),
  };
}

/** Neighbors, and for each query whether they are proven to be the nearest. */
export interface ProvenNeighbors<T extends Reals = Reals> extends Neighbors<T> {
  /** Per query: 1 if its neighbors are the nearest rows; 0 if a row that was not examined could be nearer. */
  readonly proven: Uint8Array;
}

/** Arguments of a search. */
export interface ProbeOptions extends CallOptions {
  k: number;
  /** Maximum number of lists to search. */
  probes: number;
  exclude: Int32Array | undefined;
  allowed: Uint8Array | undefined;
}

/** Finds the nearest rows among the lists of an index that covers all of `rows`. */
export function* searchLists<T extends Reals>(
  operation: string,
  queries: Matrix<T>,
  rows: Matrix<T>,
  { centers, starts, ids, codes, facts, panels, bounds }: GalleryIndex<T>,
  metric: AnyMetricOptions,
  { k, probes, exclude = null, allowed = null, threads, device }: NativeProbe,
): Steps<ProvenNeighbors<T>> {
  const indices = allocateArray(operation, Int32Array, queries.rows * k);
  const distances = allocate(operation, queries.data, queries.rows * k);
  const proven = allocateArray(operation, Uint8Array, queries.rows);
  const call = {
    ...metricNumbers(operation, metric),
    k,
    queries,
    rows,
    lists: centers.rows,
    slots: ids.length,
    probes,
    starts,
    ids,
    codes,
    facts,
    panels,
    bounds,
    exclude,
    allowed,
    indices,
    distances: { data: distances, rows: queries.rows, cols: k },
    proven,
    device: onCpu(operation, device),
    threads: threadCount(operation, threads),
  };
  checkAttached(operation, 'queries', queries);
  const start = (job: number) => (queries.rows === 0 ? undefined : probe(core(), { ...call, job }));
  yield { start, finish: () => {} };
  return { indices, distances, proven };
}

type NativeProbe = Omit<ProbeOptions, 'exclude' | 'allowed'> & {
  readonly exclude?: Int32Array | null | undefined;
  readonly allowed?: Uint8Array | null | undefined;
};
