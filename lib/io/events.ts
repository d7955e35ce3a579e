import { readdir } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { checkObject, choice, filePath, finite, isTyped, readOptions } from '../check.ts';
import { coded, quoted, rangeError, typeError } from '../errors.ts';
import { checkUndetached, listLength } from '../integers.ts';
import { crc32c } from './crc32c.ts';
import { naming } from './file-errors.ts';
import { ensureFolder } from './folder.ts';
import { bytesField, doubleField, messageField, varintField } from './protobuf.ts';
import {
  type HyperParameter,
  histogramValue,
  imageValue,
  scalarValue,
  sessionEndValue,
  sessionStartValue,
  textValue,
} from './summary.ts';
import { type OpenFile, openFile } from './thread-file.ts';

export type { HyperParameter } from './summary.ts';

export interface EventWriterOptions {
  /**
   * First step of a resumed run. In earlier files of the folder, TensorBoard discards the events of this and later
   * steps.
   */
  purgeStep?: number;
}

export interface EventOptions {
  /** Time of the event, in seconds since 1970; now by default. */
  wallTime?: number;
}

/**
 * Adding an event starts a flush if this many bytes are pending or this many milliseconds have passed since the last flush.
 */
const flushBytes = 2 ** 16;
const flushMilliseconds = 5000;

let filesOfThisThread = 0;

/**
 * Creates an event file. TensorBoard reads the files of a folder in the order of their names, which begin with the
 * time. The new name therefore has a later time than all others, even if the clock was set back.
 */
async function createFile(folder: string): Promise<{ path: string; file: OpenFile }> {
  const times = (await readdir(folder)).map((name) =>
    Number(/^events\.out\.tfevents\.(\d{10})\./.exec(name)?.[1]),
  );
  const seconds = times.reduce(
    (latest, time) => (time >= latest && time < latestTime ? time + 1 : latest),
    Math.floor(Date.now() / 1000),
  );
  for (;;) {
    const place = `${hostname()}.${process.pid}.${filesOfThisThread++}`;
    const path = join(folder, `events.out.tfevents.${String(seconds).padStart(10, '0')}.${place}`);
    try {
      return { path, file: await openFile(path, 'wx') };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error; // another thread or container has a file of this name
    }
  }
}

/** The latest time with ten digits. */
const latestTime = 9_999_999_999;

/**
 * Writes TensorBoard event files: scalars, histograms, images, text and hyperparameters.
 *
 * Methods queue an event and return immediately. Whole records are written in the background when an event is added and
 * 64 KiB are pending or 5 seconds have passed; a killed process loses only pending events. Each writer creates a
 * separate file and never changes another. A failed write rejects the next {@link flush} or {@link close}.
 *
 * Tags are nonempty strings, and steps are integers of at least 0. Invalid arguments throw a TypeError
 * `ERR_HOROBALL_TYPE` or a RangeError `ERR_HOROBALL_RANGE`; adding an event after {@link close} throws an Error
 * `ERR_HOROBALL_CLOSED`.
 *
 * @example
 * const events = await EventWriter.open(join(tmpdir(), 'horoball-events'));
 * events.scalar('loss', 0.25, 100);
 * await events.close();
 */
export class EventWriter {
  /** The file that is written. */
  readonly path: string;
  readonly #handle: OpenFile;
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  /** When the last flush began. Uses `performance.now()`, because the system clock may be set back. */
  #flushedAt: number = performance.now();
  #written: Promise<void> = Promise.resolve();
  /** Null while the writer is open; fulfilled when the file is closed, even if the last write failed. */
  #closed: Promise<void> | null = null;

  private constructor(path: string, handle: OpenFile) {
    this.path = path;
    this.#handle = handle;
  }

  /**
   * Creates an event file in a folder, and the folder if necessary.
   *
   * @param folder - TensorBoard treats each folder as a run
   * @throws RangeError `ERR_HOROBALL_RANGE` for an invalid `purgeStep`; file system errors
   */
  static async open(folder: string, options: EventWriterOptions = {}): Promise<EventWriter> {
    const { purgeStep } = readOptions('EventWriter.open', options, ['purgeStep']);
    if (purgeStep !== undefined) checkStep('open', purgeStep, 'purgeStep');
    await ensureFolder(filePath('EventWriter.open', 'folder', folder));
    const { path, file } = await createFile(folder);
    const writer = new EventWriter(path, file);
    const header = doubleField(1, now());
    writer.#add(Buffer.concat([header, bytesField(3, 'brain.Event:2')]));
    if (purgeStep !== undefined) {
      const restart = Buffer.concat([header, varintField(2, purgeStep), messageField(7, varintField(1, 1))]);
      // Written twice, because TensorBoard does not treat the first session start of a run as a restart.
      writer.#add(restart);
      writer.#add(restart);
    }
    await writer.flush().catch(async (error) => {
      await writer.close().catch(() => {});
      throw error;
    });
    return writer;
  }

  /**
   * Writes a scalar.
   *
   * @param value - stored as float32; NaN and infinities are displayed as such
   */
  scalar(tag: string, value: number, step: number, options: EventOptions = {}): void {
    if (typeof value !== 'number') throw typeError('EventWriter.scalar', 'value', 'a number', value);
    this.#summary('scalar', tag, step, options, () => scalarValue(tag, value));
  }

  /**
   * Writes a histogram with buckets of equal width. Non-finite values are ignored; if no value is finite, nothing is
   * written.
   *
   * @param options - `buckets`: an integer from 1 to 10,000, default 30
   */
  histogram(
    tag: string,
    values: ArrayLike<number>,
    step: number,
    options: EventOptions & { buckets?: number } = {},
  ): void {
    const { buckets = 30, ...times } = readOptions('EventWriter.histogram', options, ['buckets', 'wallTime']);
    if (!Number.isSafeInteger(buckets) || buckets < 1 || buckets > 10_000)
      throw rangeError('EventWriter.histogram', 'buckets', 'an integer from 1 to 10000', quoted(buckets));
    const list = checkedValues(values);
    this.#summary('histogram', tag, step, times, () => histogramValue(tag, list, buckets));
  }

  /**
   * Writes an image.
   *
   * @param bytes - contents of a PNG or JPEG file, written unchanged
   * @throws RangeError `ERR_HOROBALL_RANGE` for other bytes
   */
  image(tag: string, bytes: Uint8Array, step: number, options: EventOptions = {}): void {
    if (!isTyped(bytes, Uint8Array)) throw typeError('EventWriter.image', 'bytes', 'a Uint8Array', bytes);
    checkUndetached('EventWriter.image', 'bytes', bytes);
    this.#summary('image', tag, step, options, () => imageValue(tag, bytes));
  }

  /**
   * Writes text.
   *
   * @param text - Markdown
   */
  text(tag: string, text: string, step: number, options: EventOptions = {}): void {
    if (typeof text !== 'string') throw typeError('EventWriter.text', 'text', 'a string', text);
    this.#summary('text', tag, step, options, () => textValue(tag, text));
  }

  /**
   * Writes the hyperparameters of the run. Call it once. TensorBoard's hparams page lists them next to all scalars.
   *
   * @param options - `group`: runs with the same group are repetitions of one configuration; by default, each run is a
   * group
   */
  hparams(
    values: Readonly<Record<string, HyperParameter>>,
    options: EventOptions & { group?: string } = {},
  ): void {
    const { group = '', wallTime = now() } = readOptions('EventWriter.hparams', options, [
      'group',
      'wallTime',
    ]);
    checkObject('EventWriter.hparams', values, 'values');
    if (typeof (values as Partial<Iterable<unknown>>)[Symbol.iterator] === 'function')
      throw typeError('EventWriter.hparams', 'values', 'an object with a property per option', values);
    if (typeof group !== 'string') throw typeError('EventWriter.hparams', 'group', 'a string', group);
    finite('EventWriter.hparams', 'wallTime', wallTime);
    this.#summary('hparams', 'hparams', 0, { wallTime }, () => sessionStartValue(values, group, wallTime));
  }

  /** Records the outcome of the run for the hparams page. */
  endSession(status: 'success' | 'failure', options: EventOptions = {}): void {
    const { wallTime = now() } = readOptions('EventWriter.endSession', options, ['wallTime']);
    choice('EventWriter.endSession', 'status', status, ['success', 'failure']);
    finite('EventWriter.endSession', 'wallTime', wallTime);
    this.#summary('endSession', 'hparams', 0, { wallTime }, () => sessionEndValue(status, wallTime));
  }

  /** Resolves once the operating system has received all events so far. */
  flush(): Promise<void> {
    const bytes = Buffer.concat(this.#pending);
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#flushedAt = performance.now();
    if (bytes.length > 0)
      this.#written = this.#written.then(() => naming(this.path, this.#handle.appendFile(bytes)));
    return this.#written;
  }

  /** Writes pending events and closes the file. Later calls only wait until it is closed, and never throw. */
  async close(): Promise<void> {
    if (this.#closed !== null) return await this.#closed;
    const closing = this.flush().finally(() => this.#handle.close());
    this.#closed = closing.catch(() => {});
    await closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #summary(
    operation: string,
    tag: string,
    step: number,
    options: EventOptions,
    make: () => Uint8Array | null,
  ): void {
    this.#checkOpen(operation);
    if (typeof tag !== 'string' || tag === '')
      throw typeError(`EventWriter.${operation}`, 'tag', 'a name', tag === '' ? 'none' : tag);
    checkStep(operation, step);
    const { wallTime = now() } = readOptions(`EventWriter.${operation}`, options, ['wallTime']);
    finite(`EventWriter.${operation}`, 'wallTime', wallTime);
    const value = make();
    this.#checkOpen(operation); // a getter of the values may have closed the file
    if (value === null) return;
    this.#add(
      Buffer.concat([
        doubleField(1, wallTime),
        varintField(2, step),
        messageField(5, messageField(1, value)),
      ]),
    );
  }

  #checkOpen(operation: string): void {
    if (this.#closed !== null)
      throw coded(
        'ERR_HOROBALL_CLOSED',
        `[EventWriter.${operation}] file: expected an open file, got a closed one. Create another EventWriter.`,
      );
  }

  #add(event: Uint8Array): void {
    const framed = record(event);
    this.#pending.push(framed);
    this.#pendingBytes += framed.length;
    const due = this.#pendingBytes >= flushBytes || performance.now() - this.#flushedAt >= flushMilliseconds;
    // A failure stays in #written and rejects the next flush() or close().
    if (due) this.flush().catch(() => {});
  }
}

const now = (): number => Date.now() / 1000;

/** Maximum number of values of a histogram: an object may claim any length. */
const maxValues = 1e8;

/** Checks and copies the values, because a list may have a different length or different values at each read. */
function checkedValues(values: ArrayLike<number>): Float64Array {
  const [operation, expected] = ['EventWriter.histogram', `a list of at most ${maxValues} numbers`];
  const length = listLength(operation, 'values', values, expected);
  if (length > maxValues) throw typeError(operation, 'values', expected, quoted(values));
  return Float64Array.from({ length }, (_, i) => {
    const value: unknown = values[i] ?? Number.NaN; // not measured
    if (typeof value === 'number') return value;
    throw typeError(operation, `values[${i}]`, 'a number', quoted(value));
  });
}

function checkStep(operation: string, step: number, argument = 'step'): void {
  if (!Number.isSafeInteger(step) || step < 0)
    throw rangeError(`EventWriter.${operation}`, argument, 'an integer of at least 0', step);
}

/** Frames an event as a TFRecord: length, masked CRC of the length, data, masked CRC of the data. */
function record(event: Uint8Array): Uint8Array {
  const header = Buffer.alloc(12);
  header.writeBigUInt64LE(BigInt(event.length));
  header.writeUInt32LE(maskedCrc(header.subarray(0, 8)), 8);
  const footer = Buffer.alloc(4);
  footer.writeUInt32LE(maskedCrc(event));
  return Buffer.concat([header, event, footer]);
}

/** Returns a masked CRC (rotated, and a constant added), because the CRC of data that contains CRCs is weak. */
function maskedCrc(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}
