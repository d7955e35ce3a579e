import {
  type BigIntStats,
  closeSync,
  fdatasync,
  fstat,
  fsync,
  ftruncate,
  type OpenMode,
  open,
  openSync,
  read,
  readFile,
  type Stats,
  write,
  writeFile,
} from 'node:fs';
import { open as openHandle } from 'node:fs/promises';
import { promisify } from 'node:util';
import { isMainThread } from 'node:worker_threads';

const openAsync = promisify(open);
const readAsync = promisify(read);

/**
 * Opens a file, runs `work` on its descriptor and closes it. In a worker it is opened synchronously: Node closes the open
 * files of a terminated worker, but not the descriptor of an asynchronous open that is still in progress.
 */
export async function withDescriptor<T>(
  path: string,
  flags: OpenMode,
  work: (descriptor: number) => Promise<T>,
): Promise<T> {
  const descriptor = isMainThread ? await openAsync(path, flags) : openSync(path, flags);
  try {
    return await work(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** The methods of Node's `FileHandle` that this package uses. */
export interface OpenFile {
  readonly fd: number;
  stat(): Promise<Stats>;
  stat(options: { bigint: true }): Promise<BigIntStats>;
  read(to: Uint8Array, offset: number, length: number, position: number): Promise<{ bytesRead: number }>;
  write(from: Uint8Array, offset: number, length: number): Promise<{ bytesWritten: number }>;
  readFile(encoding: 'utf8'): Promise<string>;
  readFile(): Promise<Buffer>;
  appendFile(data: string | Uint8Array): Promise<void>;
  writeFile(data: string | Uint8Array): Promise<void>;
  truncate(length: number): Promise<void>;
  sync(): Promise<void>;
  datasync(): Promise<void>;
  close(): Promise<void>;
}

/** Opens a file; in a worker synchronously, see {@link withDescriptor}. */
export async function openFile(path: string, flags: OpenMode = 'r'): Promise<OpenFile> {
  if (isMainThread) return (await openHandle(path, flags)) as OpenFile;
  return descriptorFile(openSync(path, flags));
}

function descriptorFile(fd: number): OpenFile {
  let isOpen = true;
  return {
    fd,
    stat: ((options?: { bigint: true }) => promisify(fstat)(fd, options)) as OpenFile['stat'],
    read: (to, offset, length, position) => readAsync(fd, to, offset, length, position),
    write: (from, offset, length) => promisify(write)(fd, from, offset, length),
    readFile: ((encoding?: 'utf8') => promisify(readFile)(fd, encoding ?? null)) as OpenFile['readFile'],
    appendFile: (data) => promisify(writeFile)(fd, data), // continues after the previous write
    writeFile: (data) => promisify(writeFile)(fd, data),
    truncate: (length) => promisify(ftruncate)(fd, length),
    sync: () => promisify(fsync)(fd),
    datasync: () => promisify(fdatasync)(fd),
    close: async () => {
      if (isOpen) closeSync(fd);
      isOpen = false;
    },
  };
}

/** Creates or replaces a file; see {@link openFile}. */
export async function writeWhole(path: string, ...parts: (string | Uint8Array)[]): Promise<void> {
  const file = await openFile(path, 'w');
  try {
    for (const part of parts) await file.writeFile(part);
  } finally {
    await file.close();
  }
}

/** Reads up to `count` bytes from the beginning. */
export async function readStart(descriptor: number, count: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafeSlow(count);
  for (let at = 0; at < count; ) {
    const { bytesRead } = await readAsync(descriptor, buffer, at, Math.min(count - at, 2 ** 30), at);
    if (bytesRead === 0) return buffer.subarray(0, at);
    at += bytesRead;
  }
  return buffer;
}
