import { Readable } from 'node:stream';
import { RandomAccessReader } from 'yauzl';
import { readAll } from './atomic.ts';
import type { OpenFile } from './thread-file.ts';

/** Bytes per read: yauzl requests the records of the central directory one by one, and one read returns many of them. */
const windowBytes = 2 ** 16;

/**
 * Reads a file for yauzl. Checks positions, because a position beyond 2^53 would throw inside a callback, and continues
 * short reads. `close` leaves the file open.
 */
export class HandleReader extends RandomAccessReader {
  readonly #handle: OpenFile;
  readonly #size: number;
  #window = new Uint8Array(0);
  #windowStart = 0;
  #isStopped = false;
  #reading: Promise<unknown> = Promise.resolve();

  constructor(handle: OpenFile, size: number) {
    super();
    this.#handle = handle;
    this.#size = size;
  }

  override read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
    callback: (error: Error | null, bytesRead?: number) => void,
  ): void {
    if (position + length > this.#size) {
      process.nextTick(callback, new Error('the directory points past the end of the file'));
      return;
    }
    this.#bytes(position, length).then(
      (bytes) => {
        buffer.set(bytes, offset);
        callback(null, length);
      },
      (error: Error) => callback(error),
    );
  }

  /** Stops all streams without an error, before the file is closed: yauzl keeps reading after a stream is destroyed. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#reading.catch(() => {});
  }

  /** Streams a range of bytes, such as an entry. */
  override _readStreamForRange(start: number, end: number): Readable {
    return Readable.from(this.#slices(start, end));
  }

  override close(callback: (error: Error | null) => void): void {
    callback(null);
  }

  async *#slices(start: number, end: number): AsyncGenerator<Uint8Array> {
    for (let at = start; at < end; at += windowBytes) {
      if (this.#isStopped) await new Promise(() => {}); // never resolves, so the stream stops here
      const reading = this.#read(at, Math.min(windowBytes, end - at));
      this.#reading = reading;
      yield await reading;
    }
  }

  /** Returns bytes from the buffered window, and moves the window if it does not contain them. */
  async #bytes(position: number, length: number): Promise<Uint8Array> {
    const start = position - this.#windowStart;
    if (start >= 0 && start + length <= this.#window.length)
      return this.#window.subarray(start, start + length);
    const wanted = Math.min(Math.max(length, windowBytes), this.#size - position);
    this.#window = await this.#read(position, wanted);
    this.#windowStart = position;
    return this.#window.subarray(0, length);
  }

  async #read(position: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = new Uint8Array(length);
    if ((await readAll(this.#handle, bytes, position)) < length) throw new Error('the file is truncated');
    return bytes;
  }
}
