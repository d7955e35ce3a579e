import { constants } from 'node:fs';
import { dirname, join } from 'node:path';
import { coded } from '../../errors.ts';
import { readAll, writeAll, writeAtomically } from '../../io/atomic.ts';
import { crcOfFile } from '../../io/checksums.ts';
import { naming } from '../../io/file-errors.ts';
import { checkInside, openInside } from '../../io/inside.ts';
import { lastName } from '../../io/run-path.ts';
import { shellWord } from '../../io/shell.ts';
import type { OpenFile } from '../../io/thread-file.ts';
import type { Position } from './contents.ts';
import { identityIn } from './run-schema.ts';

const { O_APPEND, O_CREAT, O_RDWR } = constants;

/**
 * Number of bytes that are read at the end of a log to find the last step, and at its start to find the identity; a row has
 * at most a few thousand bytes.
 */
const tailBytes = 1 << 20;

export async function openLog(path: string): Promise<OpenFile> {
  return await naming(path, openInside(path, O_RDWR | O_APPEND | O_CREAT));
}

/** Length of a log, and the CRC-32 of its bytes. */
export type LogState = Required<Pick<Position, 'metricsBytes' | 'metricsCrc32'>>;

/**
 * Truncates the log of a run to its length at the last checkpoint.
 *
 * @param position - position of the checkpoint; null to start from the beginning
 * @returns the state of the truncated log
 * @throws `ERR_HOROBALL_CHECKPOINT` if the log does not belong to the checkpoint; the log is then unchanged
 */
export async function rewindLog(path: string, position: Position | null): Promise<LogState> {
  const { step, metricsBytes: bytes } = position ?? { step: 0, metricsBytes: 0 };
  const empty = { metricsBytes: 0, metricsCrc32: 0 };
  await checkInside(path);
  const file = await openInside(path, O_RDWR).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    if (bytes > 0)
      throw foreignLog(path, `${path} to have the ${bytes} bytes recorded in its checkpoint`, 'no file');
    return null;
  });
  if (file === null) return empty;
  try {
    const { size, nlink } = await file.stat();
    if (size < bytes)
      throw foreignLog(
        path,
        `${path} to have the ${bytes} bytes recorded in its checkpoint`,
        `${size}: its end was lost`,
      );
    if (step > 0) await checkStep(path, file, step, bytes);
    // The other hard link may belong to a copy of the run, whose log must not change.
    if (nlink > 1) await replaceLog(path, file, bytes);
    else await file.truncate(bytes);
    return { metricsBytes: bytes, metricsCrc32: await crcOfLog(path, file, bytes) };
  } finally {
    await file.close();
  }
}

/**
 * Describes how a log differs from the one that a run had when it wrote a checkpoint.
 *
 * @returns a sentence; null if the log is the same up to the checkpoint, or if that is unknown
 */
export async function logChange(
  path: string,
  { step, metricsBytes: bytes, metricsCrc32: crc }: Position,
): Promise<string | null> {
  const file = await openInside(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
    return null;
  });
  try {
    const size = (await file?.stat())?.size ?? 0;
    const written = `when ${lastName} was written after step ${step}`;
    if (size < bytes)
      return `metrics.jsonl has ${size} bytes, but had ${bytes} ${written}, so it is incomplete or from another run.`;
    if (file === null || crc === undefined || (await crcOfLog(path, file, bytes)) === crc) return null;
    return `metrics.jsonl is not as it was ${written}, so curves and tables may be wrong.`;
  } finally {
    await file?.close();
  }
}

/** Returns the identity of the run to which a log belongs; see {@link identityIn}. */
export async function identityOf(file: OpenFile): Promise<string | null> {
  const first = Buffer.alloc(Math.min((await file.stat()).size, tailBytes));
  await readAll(file, first, 0);
  return identityIn(first.toString('utf8'));
}

/** Replaces a log with a copy of its first `bytes` bytes. */
async function replaceLog(path: string, file: OpenFile, bytes: number): Promise<void> {
  await writeAtomically(path, async (to) => {
    const slice = Buffer.allocUnsafe(Math.min(bytes, 1 << 22));
    for (let at = 0; at < bytes; at += slice.length) {
      const part = slice.subarray(0, Math.min(slice.length, bytes - at));
      await readAll(file, part, at);
      await writeAll(to, part);
    }
  });
}

/** Returns the CRC-32 of the first `bytes` bytes of a log. */
async function crcOfLog(path: string, file: OpenFile, bytes: number): Promise<number> {
  return Number.parseInt(await naming(path, crcOfFile(file, 0, bytes)), 16);
}

/** Checks that the log up to the checkpoint ends with a complete line, and that its last step is that of the checkpoint. */
async function checkStep(path: string, file: OpenFile, step: number, bytes: number): Promise<void> {
  const tail = Buffer.alloc(Math.min(bytes, tailBytes));
  await naming(path, readAll(file, tail, bytes - tail.length));
  const lines = tail.toString('utf8').split('\n');
  if (lines.pop() !== '') throw foreignLog(path, `${path} to end a line at byte ${bytes}`, 'a partial line');
  const last = lines.findLast((line) => line.startsWith('{"type":"step"'));
  const found = /"step":(\d+)/.exec(last ?? '')?.[1];
  if (Number(found) !== step)
    throw foreignLog(
      path,
      `step ${step} as the last step in the first ${bytes} bytes of ${path}`,
      found ? `step ${found}` : 'none',
    );
}

function foreignLog(path: string, expected: string, got: string): Error {
  const weights = shellWord(join(dirname(path), lastName));
  const message = `[train] resume: expected ${expected}, got ${got}. Restore it from a backup, or start a new run with --weights ${weights}.`;
  return coded('ERR_HOROBALL_CHECKPOINT', message);
}
