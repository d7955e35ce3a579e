import { availableParallelism } from 'node:os';
import { throwIfAborted } from '../call/run.ts';
import { boolean, checkCallback, choice, integer, itemsOf, mostThreads, readOptions } from '../check.ts';
import { coded, rangeError, typeError } from '../errors.ts';
import { abortable, readAhead } from '../image/read-ahead.ts';
import { backgrounds } from '../image/resample.ts';
import { Slots } from '../image/slots.ts';
import { allocateArray, type DenseMatrix, zeros } from '../matrix.ts';
import { outputNames, type Serving, servingKey, spaces } from '../onnx/serving.ts';
import { storages } from '../onnx/storage.ts';
import { Preparation } from './images.ts';
import type { Planes } from './protocol.ts';
import { runtimes, Session } from './session.ts';
import { openServed, type Served } from './source.ts';
import type {
  EmbeddedIn,
  EmbedOptions,
  ImageEmbeddings,
  ImageInput,
  LoadEmbedderOptions,
  Runtime,
  Space,
} from './types.ts';

/** Number of batches that are decoded in advance while the network runs. */
const batchesAhead = 2;
const most = Number.MAX_SAFE_INTEGER;
const embedNames = [
  'space',
  'signal',
  'onProgress',
  'onUnreadable',
  'batchSize',
  'concurrency',
] as const satisfies (keyof EmbedOptions)[];

/**
 * Loads a network for embedding images, without libtorch. It runs on another thread, with onnxruntime-node if that is
 * installed, otherwise with onnxruntime-web.
 *
 * @param source - a run folder, a checkpoint in it, or an ONNX file or folder that `horoball export` wrote; a run needs no
 * export
 * @throws Error `ERR_HOROBALL_NO_RUNTIME` if no runtime is installed, `ERR_HOROBALL_RUNTIME` if it fails to load the
 * network, `ERR_HOROBALL_RUN` for any other folder and a path that does not exist, `ERR_HOROBALL_OPTION` if an exported
 * folder has no file of type `storage`, `ERR_HOROBALL_FORMAT` for an ONNX file that horoball did not write or whose network
 * has a different dimension than its metadata says
 * @example
 * const embedder = await loadEmbedder('runs/shapes-hybrid-1');
 * const { hyperbolic } = await embedder.embed(['a.jpg', 'b.jpg']);
 * const { indices } = await topK(hyperbolic, hyperbolic, { k: 2, c: embedder.c });
 * await embedder.dispose();
 */
export async function loadEmbedder(
  source: string | URL,
  options: LoadEmbedderOptions = {},
): Promise<ImageEmbedder> {
  const checked = checkedOptions(options);
  const { storage, background, maxPixels, warmUp } = checked;
  const served = await openServed(source, storage);
  const serving = {
    ...served.serving,
    ...(background !== undefined && { background }),
    ...(maxPixels !== undefined && { maxPixels }),
  };
  const session = await Session.open(served.model, checked);
  if ((await served.isSame?.()) === false) {
    await session.close();
    return await loadEmbedder(source, options); // a new export replaced the file after its metadata were read
  }
  const embedder = new ImageEmbedder({ ...served, serving }, session, checked);
  if (warmUp === false) return embedder;
  try {
    await embedder.warmUp();
    return embedder;
  } catch (error) {
    await embedder.dispose();
    throw error;
  }
}

interface Limits {
  batchSize: number;
  concurrency: number;
}

const loadNames = [
  'runtime',
  'storage',
  'threads',
  'batchSize',
  'concurrency',
  'warmUp',
  'background',
  'maxPixels',
] as const satisfies (keyof LoadEmbedderOptions)[];

function checkedOptions(given: LoadEmbedderOptions): LoadEmbedderOptions & Limits {
  const operation = 'loadEmbedder';
  const options = readOptions(operation, given, loadNames);
  const { batchSize = 32, concurrency = availableParallelism(), runtime } = options;
  boolean(operation, 'warmUp', options.warmUp, true);
  integer(operation, 'batchSize', batchSize, 1, most);
  integer(operation, 'concurrency', concurrency, 1, most);
  if (options.threads !== undefined) integer(operation, 'threads', options.threads, 1, mostThreads);
  if (options.maxPixels !== undefined) integer(operation, 'maxPixels', options.maxPixels, 1, most);
  if (options.background !== undefined) choice(operation, 'background', options.background, backgrounds);
  if (options.storage !== undefined) choice(operation, 'storage', options.storage, storages);
  if (runtime !== undefined) choice(operation, 'runtime', runtime, runtimes);
  return { ...options, batchSize, concurrency };
}

/**
 * A network that embeds images; `loadEmbedder` creates it. Calls may overlap; they share one thread and the limits of
 * `loadEmbedder`.
 */
export class ImageEmbedder implements AsyncDisposable {
  readonly #serving: Serving;
  readonly #session: Session;
  readonly #preparation: Preparation;
  readonly #batchSize: number;
  readonly #slots: Slots;
  readonly #name: string;

  /** @internal */
  constructor({ name, serving }: Served, session: Session, { batchSize, concurrency }: Limits) {
    this.#name = name;
    this.#serving = serving;
    this.#session = session;
    this.#preparation = new Preparation(serving);
    this.#batchSize = batchSize;
    this.#slots = new Slots(concurrency);
  }

  /** Dimension of the embeddings. */
  get dim(): number {
    return this.#serving.dim;
  }

  /**
   * The ball's curvature is -c.
   *
   * @throws Error `ERR_HOROBALL_OPTION` for a backbone, which has no points of the ball
   */
  get c(): number {
    const { c } = this.#serving;
    if (c === null)
      throw coded(
        'ERR_HOROBALL_OPTION',
        `[embed] c: expected a network with a hyperbolic head, got ${this.#name}, a backbone without a head. Export a run.`,
      );
    return c;
  }

  /**
   * The space in which the loss of the run compared embeddings: `unit` (by cosine), `ball` (by hyperbolic distance), or
   * `both`.
   */
  get space(): Space {
    return this.#serving.space;
  }

  /** Side of the network's input in pixels. */
  get size(): number {
    return this.#serving.size;
  }

  /** The package that runs the network. */
  get runtime(): Runtime {
    return this.#session.runtime;
  }

  /**
   * Embeds images with the evaluation transform of the run, so that the network sees the same pixels as in the run's
   * evaluation.
   *
   * @param images - paths, URLs, encoded bytes, sharp pipelines or decoded pixels, in any combination
   * @returns one row per image: both embeddings, or the matrix of the requested `space`
   * @throws Error `ERR_HOROBALL_PICTURE` for an image that cannot be read (see `onUnreadable`), `ERR_HOROBALL_CLOSED`
   * after `dispose`, `ERR_HOROBALL_NO_DECODER` if sharp is not installed; the signal's reason if it is aborted
   */
  async embed<S extends Space = 'both'>(
    images: Iterable<ImageInput>,
    options: EmbedOptions<S> = {},
  ): Promise<EmbeddedIn<S>> {
    const given = readOptions('embed', options, embedNames);
    const { space = 'both' as S, signal, onProgress, onUnreadable } = given;
    for (const [name, each] of Object.entries({ onProgress, onUnreadable }))
      checkCallback('embed', name, each);
    const { batchSize = this.#batchSize, concurrency } = given;
    choice('embed', 'space', space, spaces);
    integer('embed', 'batchSize', batchSize, 1, most);
    if (concurrency !== undefined) integer('embed', 'concurrency', concurrency, 1, most);
    throwIfAborted('embed', signal);
    const all = listOf(images);
    this.#session.checkOpen();
    const outputs = this.#outputsOf(space);
    const slots = concurrency === undefined ? this.#slots : new Slots(concurrency);
    const results = outputs.map(() => zeros('embed', new Float32Array(0), all.length, this.dim));
    const read = (from: number, stop: AbortSignal): Promise<Batch> =>
      this.#prepare(all.slice(from, from + batchSize), from, slots, stop, onUnreadable);
    for await (const { from, count, planes, lost } of readAhead(
      starts(all.length, batchSize),
      read,
      batchesAhead,
      signal,
    )) {
      const rows = await abortable(this.#run(planes, count, outputs), signal);
      for (const [i, { data }] of results.entries()) {
        data.set(rows[i]!, from * this.dim);
        for (const row of lost) data.fill(NaN, row * this.dim, (row + 1) * this.dim);
      }
      await onProgress?.(from + count, all.length);
    }
    return (space === 'both' ? embeddingsOf(results) : results[0]!) as EmbeddedIn<S>;
  }

  /** Embeds one blank image, because the first call of a runtime is slower than later ones. */
  async warmUp(): Promise<void> {
    await this.#run(new Float32Array(this.#preparation.length), 1, [outputNames.unit]);
  }

  /** Ends the thread, and resolves once it has ended. Calls in progress are rejected with `ERR_HOROBALL_CLOSED`. */
  dispose(): Promise<void> {
    return this.#session.close();
  }

  /** The same as {@link dispose}. */
  close(): Promise<void> {
    return this.dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  #outputsOf(space: Space): readonly string[] {
    if (space === 'unit') return [outputNames.unit];
    if (this.#serving.c !== null)
      return space === 'ball' ? [outputNames.ball] : [outputNames.unit, outputNames.ball];
    const message = `[embed] space: expected 'unit' because ${this.#name} is a backbone without a head, got '${space}'. Pass { space: 'unit' }.`;
    throw coded('ERR_HOROBALL_OPTION', message, RangeError);
  }

  async #prepare(
    images: readonly ImageInput[],
    from: number,
    slots: Slots,
    stop: AbortSignal,
    onUnreadable: EmbedOptions['onUnreadable'],
  ): Promise<Batch> {
    const { length } = this.#preparation;
    const planes = allocateArray('embed', Float32Array, length * images.length) as Planes;
    const lost: number[] = [];
    const one = async (image: ImageInput, i: number): Promise<void> => {
      const out = planes.subarray(i * length, (i + 1) * length);
      try {
        await slots.use(stop, () => this.#preparation.into(image, from + i, out, stop));
      } catch (error) {
        const isUnreadable = (error as { code?: unknown } | undefined)?.code === 'ERR_HOROBALL_PICTURE';
        if (onUnreadable === undefined || !isUnreadable || stop.aborted) throw error;
        lost.push(from + i);
        await onUnreadable(from + i, error as Error); // holds no slot, because it may embed another image
      }
    };
    await Promise.all(images.map(one));
    return { from, count: images.length, planes, lost };
  }

  async #run(planes: Planes, count: number, outputs: readonly string[]): Promise<readonly Float32Array[]> {
    const { size, dim } = this.#serving;
    const rows = await this.#session.run(planes, [count, 3, size, size], outputs);
    const other = rows.find(({ length }) => length !== count * dim);
    if (other !== undefined) {
      const message = `[embed] ${this.#name}: expected embeddings of dimension ${dim} (${servingKey}.dim in its metadata), got ${other.length / count}. Export the network again.`;
      throw coded('ERR_HOROBALL_FORMAT', message);
    }
    const infinite = rows.flatMap((values) => values.find((value) => !Number.isFinite(value)) ?? [])[0];
    if (infinite === undefined) return rows;
    const message = `[embed] ${this.#name}: expected finite embeddings, got ${infinite}. Check the weights, and export the network again.`;
    throw coded('ERR_HOROBALL_FORMAT', message);
  }
}

/** Preprocessed images, and the row of the result at which they begin. */
interface Batch {
  from: number;
  count: number;
  planes: Planes;
  /** Rows of images that could not be read. */
  lost: readonly number[];
}

function* starts(count: number, size: number): Generator<number> {
  for (let from = 0; from < count; from += size) yield from;
}

function embeddingsOf([euclidean, hyperbolic]: readonly DenseMatrix<Float32Array>[]): ImageEmbeddings {
  return { euclidean: euclidean!, hyperbolic: hyperbolic! };
}

/** Maximum number of images of a call; their embeddings alone take gigabytes. */
const maxImages = 2 ** 22;

/** Returns the images as an array. Throws for a single string or buffer, although both are iterable. */
function listOf(images: Iterable<ImageInput>): ImageInput[] {
  const expected = 'an array of images';
  if (ArrayBuffer.isView(images)) throw typeError('embed', 'images', expected, images);
  const list: ImageInput[] = [];
  for (const image of itemsOf('embed', 'images', expected, images)) {
    if (list.length === maxImages)
      throw rangeError('embed', 'images', `at most ${maxImages} images`, 'more (is the iterable endless?)');
    list.push(image);
  }
  return list;
}
