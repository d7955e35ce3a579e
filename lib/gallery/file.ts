// A gallery file is a safetensors file with the rows, numbers and labels, and the metric in its metadata. Of an index, it
// contains only the centers and the list of each row; the rest is recomputed from the rows.
import { runSteps, type Steps } from '../call/run.ts';
import { inSlices } from '../call/slices.ts';
import { type Coded, coded } from '../errors.ts';
import { boundedJson } from '../io/json.ts';
import { readSafetensors, type SafeTensor, writeSafetensors } from '../io/safetensors.ts';
import { isReals, type Reals } from '../matrix.ts';
import type { AnyMetricOptions, MetricOptions } from '../pairwise.ts';
import { encodeIndex, type GalleryIndex, mostLists } from './lists.ts';
import { moved, remainingLists, rowsOfStore, type Store } from './store.ts';

/** Maximum number of JSON values in the metadata of a file; `writeStore` writes about five. */
const maxMetadataValues = 100;

/** Writes the rows of a store that were not removed; `about` is the metric and the next row number. */
export async function writeStore(
  operation: string,
  path: string,
  store: Store<Reals>,
  about: AnyMetricOptions & { next: number },
): Promise<void> {
  const { data, cols, used, numbers, labels } = await runSteps(operation, undefined, () =>
    moved(operation, store, store.size),
  );
  const { index } = store;
  const lists = await runSteps(operation, undefined, () => remainingLists(store));
  const tensors = {
    rows: { shape: [used, cols], data: data.subarray(0, used * cols) },
    numbers: { shape: [used], data: numbers.subarray(0, used) },
    labels: { shape: [used], data: labels.subarray(0, used) },
    ...(lists.length > 0 && {
      centers: { shape: [index!.centers.rows, cols], data: index!.centers.data },
      lists: { shape: [lists.length], data: lists },
    }),
  };
  await writeSafetensors(path, tensors, {
    metadata: { horoball_gallery: JSON.stringify(about) },
    checksums: true,
  });
}

/**
 * Reads a file that {@link writeStore} wrote.
 *
 * @param checked - returns a metric with its defaults, or throws if it is invalid
 * @throws Error `ERR_HOROBALL_FORMAT` if the file is not a gallery; file system errors
 */
export async function readStore(
  path: string,
  checked: (metric: MetricOptions) => AnyMetricOptions,
): Promise<{ metric: MetricOptions; next: number; store: Store<Reals> }> {
  const operation = 'Gallery.load';
  const { tensors, metadata } = await readSafetensors(path);
  const rows = tensors.get('rows');
  const numbers = tensors.get('numbers')?.data;
  const labels = tensors.get('labels')?.data;
  const { metric, options, next } = aboutIn(path, metadata['horoball_gallery'], checked);
  const isValid =
    rows !== undefined &&
    (await runSteps(operation, undefined, () => areValidRows(rows, numbers, labels, next)));
  if (!isValid) throw notAGallery(path);
  const [used = 0, cols = 1] = rows.shape;
  const store: Store<Reals> = {
    data: rows.data as Reals,
    cols,
    used,
    numbers: numbers as Int32Array,
    labels: labels as Int32Array,
    alive: new Uint8Array(used).fill(1),
    size: used,
  };
  const found = indexIn(path, tensors, store);
  if (found === undefined) return { metric, next, store };
  const { centers, lists } = found;
  const encode = () => encodeIndex(operation, rowsOfStore(store), centers, lists, options);
  const index = await runSteps(operation, undefined, encode).catch((error: unknown) => {
    // The core refuses centers that are not finite.
    throw (error as Coded).code === 'ERR_HOROBALL_SHAPE' ? notAGallery(path) : error;
  });
  return { metric, next, store: { ...store, index } };
}

/** Returns the metric and the next row number in the metadata of a file. */
function aboutIn(
  path: string,
  text: string | undefined,
  checked: (metric: MetricOptions) => AnyMetricOptions,
): { metric: MetricOptions; options: AnyMetricOptions; next: number } {
  try {
    const about = boundedJson(text ?? '', maxMetadataValues, () => notAGallery(path));
    const { next, ...metric } = about as MetricOptions & { next: number };
    if (Number.isInteger(next)) return { metric, options: checked(metric), next };
  } catch {}
  throw notAGallery(path);
}

/** Returns the centers and lists of an index in a file; undefined without an index. */
function indexIn(
  path: string,
  tensors: ReadonlyMap<string, SafeTensor>,
  { data, cols, used }: Store<Reals>,
): Pick<GalleryIndex<Reals>, 'centers' | 'lists'> | undefined {
  const [centers, lists] = [tensors.get('centers'), tensors.get('lists')?.data];
  if (centers === undefined && lists === undefined) return undefined;
  const [rows = 0, width] = centers?.shape ?? [];
  if (!(centers?.shape.length === 2 && width === cols && rows > 0 && rows <= mostLists))
    throw notAGallery(path);
  if (!(isReals(centers.data) && centers.data[Symbol.toStringTag] === data[Symbol.toStringTag]))
    throw notAGallery(path);
  if (!(lists instanceof Int32Array && lists.length > 0 && lists.length <= used)) throw notAGallery(path);
  return { centers: { data: centers.data, rows, cols }, lists };
}

function* areValidRows(rows: SafeTensor, numbers: unknown, labels: unknown, next: number): Steps<boolean> {
  if (!(numbers instanceof Int32Array && labels instanceof Int32Array && isReals(rows.data))) return false;
  const { shape } = rows;
  if (!(next >= 0 && next <= 2 ** 31 && shape.length === 2 && shape[1]! > 0)) return false;
  if (numbers.length !== shape[0] || labels.length !== numbers.length) return false;
  let isAscending = true;
  yield* inSlices(numbers.length, (begin, end) => {
    for (let i = begin; i < end && isAscending; ++i)
      isAscending = numbers[i]! > (i === 0 ? -1 : numbers[i - 1]!) && numbers[i]! < next;
  });
  return isAscending;
}

function notAGallery(path: string): Coded {
  return coded(
    'ERR_HOROBALL_FORMAT',
    `[Gallery.load] path: expected a file that Gallery.save wrote, got ${path}. Save the gallery again.`,
  );
}
