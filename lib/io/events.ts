import { type FileHandle, open } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { coded, rangeError, typeError } from '../errors.ts';
import { crc32c } from './crc32c.ts';
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
import { naming } from './trouble.ts';

export type { HyperParameter } from './summary.ts';

export interface EventWriterOptions {
  /** A run that goes on after a break says at which step: TensorBoard then drops what it had from that step on. */
  purgeStep?: number;
}

export interface EventOptions {
  /** When it happened, in seconds since 1970; now by default. */
  wallTime?: number;
}

/** Pending bytes, and milliseconds since the last flush, after which a new event starts a flush by itself. */
const flushBytes = 2 ** 16;
const flushMilliseconds = 5000;

let filesOfThisProcess = 0;

/**
 * Writes TensorBoard event files: scalars, histograms, pictures, text and hyper-parameters.
 *
 * Events are queued at once and written in the background, whole records at a time, so a killed process loses the
 * last seconds and nothing else. Each writer makes a file of its own and never touches another. A write that failed
 * rejects the next {@link flush} or {@link close}.
 *
 * @example
 * const events = await EventWriter.open(join(tmpdir(), 'horoball-events'));
 * events.scalar('loss', 0.25, 100);
 * await events.close();
 */
export class EventWriter {
  /** The file that is written. */
  readonly path: string;
  readonly #handle: FileHandle;
  #pending: Uint8Array[] = [];
  #pendingBytes = 0;
  #flushedAt: number = Date.now();
  #written: Promise<void> = Promise.resolve();
  #closed = false;

  private constructor(path: string, handle: FileHandle) {
    this.path = path;
    this.#handle = handle;
  }

  /**
   * Makes a new event file in a folder, which is made too where it is missing.
   *
   * @param folder - TensorBoard takes each folder for a run
   */
  static async open(folder: string, options: EventWriterOptions = {}): Promise<EventWriter> {
    const { purgeStep } = options;
    if (purgeStep !== undefined) checkStep('open', purgeStep);
    await ensureFolder(folder);
    const seconds = String(Math.floor(Date.now() / 1000)).padStart(10, '0');
    const name = `events.out.tfevents.${seconds}.${hostname()}.${process.pid}.${filesOfThisProcess++}`;
    const path = join(folder, name);
    const writer = new EventWriter(path, await open(path, 'wx'));
    const now = doubleField(1, Date.now() / 1000);
    writer.#add(Buffer.concat([now, bytesField(3, 'brain.Event:2')]));
    if (purgeStep !== undefined) {
      const restart = Buffer.concat([now, varintField(2, purgeStep), messageField(7, varintField(1, 1))]);
      // Twice: TensorBoard does not take the first session start of a run for a restart.
      writer.#add(restart);
      writer.#add(restart);
    }
    await writer.flush().catch(async (error) => {
      await writer.close().catch(() => {});
      throw error;
    });
    return writer;
  }

  /** @param value - kept as float32; NaN and infinities are shown as such */
  scalar(tag: string, value: number, step: number, options: EventOptions = {}): void {
    if (typeof value !== 'number') throw typeError('EventWriter.scalar', 'value', 'a number', value);
    this.#summary('scalar', tag, step, options, () => scalarValue(tag, value));
  }

  /**
   * The distribution of some values, in equal buckets. Values that are not finite are left out, and nothing is written
   * where none is left.
   *
   * @param options - `buckets`: 1 to 10,000, 30 by default
   */
  histogram(
    tag: string,
    values: ArrayLike<number>,
    step: number,
    options: EventOptions & { buckets?: number } = {},
  ): void {
    const { buckets = 30 } = options;
    if (!Number.isSafeInteger(buckets) || buckets < 1 || buckets > 10_000)
      throw rangeError('EventWriter.histogram', 'buckets', 'a whole number from 1 to 10000', buckets);
    this.#summary('histogram', tag, step, options, () => histogramValue(tag, values, buckets));
  }

  /** @param bytes - of a PNG or JPEG file, written as they are */
  image(tag: string, bytes: Uint8Array, step: number, options: EventOptions = {}): void {
    this.#summary('image', tag, step, options, () => imageValue(tag, bytes));
  }

  /** @param text - Markdown */
  text(tag: string, text: string, step: number, options: EventOptions = {}): void {
    if (typeof text !== 'string') throw typeError('EventWriter.text', 'text', 'a string', text);
    this.#summary('text', tag, step, options, () => textValue(tag, text));
  }

  /**
   * The run's hyper-parameters, once. TensorBoard's hparams page lists them against all scalars.
   *
   * @param options - `group`: runs of one group are repetitions of one setting; by default each run stands alone
   */
  hparams(
    values: Readonly<Record<string, HyperParameter>>,
    options: EventOptions & { group?: string } = {},
  ): void {
    const { group = '', wallTime = Date.now() / 1000 } = options;
    this.#summary('hparams', 'hparams', 0, options, () => sessionStartValue(values, group, wallTime));
  }

  /** Says on the hparams page how the run ended. */
  endSession(status: 'success' | 'failure', options: EventOptions = {}): void {
    const { wallTime = Date.now() / 1000 } = options;
    this.#summary('endSession', 'hparams', 0, options, () => sessionEndValue(status, wallTime));
  }

  /** Resolves when all events so far are handed to the operating system. */
  flush(): Promise<void> {
    const bytes = Buffer.concat(this.#pending);
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#flushedAt = Date.now();
    if (bytes.length > 0)
      this.#written = this.#written.then(() => naming(this.path, this.#handle.appendFile(bytes)));
    return this.#written;
  }

  /** Writes what is left and closes the file. A second call does nothing. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    try {
      await this.flush();
    } finally {
      await this.#handle.close();
    }
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
    if (this.#closed) throw coded('ERR_HOROBALL_CLOSED', `[EventWriter.${operation}] the file is closed`);
    if (typeof tag !== 'string' || tag === '')
      throw typeError(`EventWriter.${operation}`, 'tag', 'a name', tag === '' ? 'none' : tag);
    checkStep(operation, step);
    const value = make();
    if (value === null) return;
    const { wallTime = Date.now() / 1000 } = options;
    this.#add(
      Buffer.concat([
        doubleField(1, wallTime),
        varintField(2, step),
        messageField(5, messageField(1, value)),
      ]),
    );
  }

  #add(event: Uint8Array): void {
    const framed = record(event);
    this.#pending.push(framed);
    this.#pendingBytes += framed.length;
    const due = this.#pendingBytes >= flushBytes || Date.now() - this.#flushedAt >= flushMilliseconds;
    // A failure stays in #written and rejects the next flush() or close().
    if (due) this.flush().catch(() => {});
  }
}

function checkStep(operation: string, step: number): void {
  if (!Number.isSafeInteger(step) || step < 0)
    throw rangeError(`EventWriter.${operation}`, 'step', 'a whole number from 0 on', step);
}

/** TFRecord framing: length, its masked CRC, the bytes, their masked CRC. */
function record(event: Uint8Array): Uint8Array {
  const header = Buffer.alloc(12);
  header.writeBigUInt64LE(BigInt(event.length));
  header.writeUInt32LE(maskedCrc(header.subarray(0, 8)), 8);
  const footer = Buffer.alloc(4);
  footer.writeUInt32LE(maskedCrc(event));
  return Buffer.concat([header, event, footer]);
}

/** CRCs are masked (rotated, and a constant added) because a CRC of data that holds its own CRC is weak. */
function maskedCrc(bytes: Uint8Array): number {
  const crc = crc32c(bytes);
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}
