import { type Coded, coded } from '../errors.ts';
import { readAll } from '../io/atomic.ts';
import { openRegular } from '../io/regular.ts';
import type { OpenFile } from '../io/thread-file.ts';

/** Field number of metadata entries in a model (onnx.proto3), and maximum size of an entry in bytes. */
export const metadataField = 14;
const maxEntry = 1 << 20;
/** Maximum number of fields; a model has about ten, and a few metadata entries. */
const maxFields = 1000;
/** Maximum number of fields in an entry, which has two. */
const maxEntryFields = 16;

/**
 * Reads the metadata of an ONNX file. The graph is skipped, so this takes a few reads, regardless of the size of the file.
 *
 * @throws Error `ERR_HOROBALL_FORMAT` if it is not an ONNX file, or a file system error
 */
export async function readOnnxMetadata(path: string): Promise<Map<string, string>> {
  const file = await openRegular(path, 'loadEmbedder'); // opening a pipe would wait for its writer
  try {
    const { size } = await file.stat();
    const found = new Map<string, string>();
    let at = 0;
    for (let count = 0; at < size; count++) {
      if (count === maxFields) throw notOnnx(path);
      const field = await fieldAt(file, at, size);
      if (field === undefined) throw notOnnx(path);
      at = field.begin + field.length;
      if (field.number === metadataField && field.length > 0) {
        if (field.length > maxEntry) throw notOnnx(path);
        const [key, value] = entryOf(await bytesAt(file, field.begin, field.length));
        if (key === undefined) continue;
        // Programs differ in which entry they read.
        if (found.has(key))
          throw coded('ERR_HOROBALL_FORMAT', `${path} cannot be used: its metadata has a repeated key`);
        found.set(key, value ?? '');
      }
    }
    if (at === 0) throw notOnnx(path);
    return found;
  } finally {
    await file.close();
  }
}

interface Field {
  number: number;
  /** Offset of the content: in the buffer from parseField, in the file from fieldAt. */
  begin: number;
  length: number;
}

/** Bytes of a tag and a length, each a varint of at most ten bytes. */
const headBytes = 20;

/** Returns the field that begins at a position; undefined if it is invalid or reaches beyond the end. */
async function fieldAt(file: OpenFile, at: number, size: number): Promise<Field | undefined> {
  const head = await bytesAt(file, at, Math.min(headBytes, size - at));
  const field = parseField(head, 0);
  if (field === undefined || at + field.begin + field.length > size) return undefined;
  return { ...field, begin: at + field.begin };
}

function parseField(bytes: Buffer, at: number): Field | undefined {
  const tag = varint(bytes, at);
  if (tag === undefined || tag.value < 8) return undefined;
  const number = Math.floor(tag.value / 8);
  const fixed = { 1: 8, 5: 4 }[tag.value % 8];
  if (fixed !== undefined) return { number, begin: tag.end, length: fixed };
  const next = varint(bytes, tag.end);
  if (next === undefined) return undefined;
  if (tag.value % 8 === 0) return { number, begin: next.end, length: 0 };
  return tag.value % 8 === 2 ? { number, begin: next.end, length: next.value } : undefined;
}

function varint(bytes: Buffer, at: number): { value: number; end: number } | undefined {
  let value = 0;
  for (let i = 0; i < 10; i++) {
    const byte = bytes[at + i];
    if (byte === undefined) return undefined;
    value += (byte & 127) * 2 ** (7 * i);
    if (byte < 128) return Number.isSafeInteger(value) ? { value, end: at + i + 1 } : undefined;
  }
  return undefined;
}

/** Returns the key (field 1) and the value (field 2) of an entry. Ignores other fields. */
function entryOf(bytes: Buffer): [key: string | undefined, value: string | undefined] {
  const texts: (string | undefined)[] = [];
  for (let at = 0, count = 0; at < bytes.length && count < maxEntryFields; count++) {
    const field = parseField(bytes, at);
    if (field === undefined) break;
    const end = field.begin + field.length;
    if (end > bytes.length) break;
    if (field.number <= 2) texts[field.number] = bytes.toString('utf8', field.begin, end);
    at = end;
  }
  return [texts[1], texts[2]];
}

async function bytesAt(file: OpenFile, at: number, length: number): Promise<Buffer> {
  const bytes = Buffer.alloc(length);
  const got = await readAll(file, bytes, at);
  return bytes.subarray(0, got);
}

function notOnnx(path: string): Coded {
  return coded('ERR_HOROBALL_FORMAT', `${path} is not an ONNX file`);
}
