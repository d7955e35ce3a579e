import { coded } from '../errors.ts';
import { readAll, removeAbandoned, writeAll, writeAtomically } from '../io/atomic.ts';
import { crcOf } from '../io/checksums.ts';
import { bytesField, messageField } from '../io/protobuf.ts';
import { reading } from '../io/regular.ts';
import { metadataField } from './metadata.ts';

/**
 * Key of the metadata entry with the CRC-32 of all bytes before it, as eight hexadecimal digits. The entry is the last
 * field of the file; in Protocol Buffers, fields may have any order. Files without it come from earlier versions or
 * other programs.
 */
const key = 'horoball.crc32';
/** Bytes read at a time. */
const part = 1 << 20;

/**
 * Writes a model with its checksum, atomically.
 *
 * @returns the size of the file
 */
export async function writeOnnx(path: string, model: Uint8Array): Promise<number> {
  const entry = entryOf(await crcOf(model));
  await removeAbandoned(path);
  await writeAtomically(path, async (out) => {
    await writeAll(out, model);
    await writeAll(out, entry);
  });
  return model.length + entry.length;
}

/**
 * Verifies the checksum of a file, if it has one.
 *
 * @throws `ERR_HOROBALL_FORMAT` if the file was changed
 */
export async function checkOnnx(path: string): Promise<void> {
  await reading(path, 'loadEmbedder', async (file) => {
    const { size } = await file.stat();
    const { length } = entryOf('00000000');
    const tail = Buffer.alloc(length);
    await readAll(file, tail, Math.max(0, size - length));
    const sum = tail.toString('latin1', length - 8);
    if (!tail.equals(entryOf(sum))) return;
    const { crc32 } = process.getBuiltinModule('node:zlib');
    const buffer = Buffer.alloc(part);
    let crc = 0;
    for (let at = 0; at < size - length; at += part) {
      const wanted = buffer.subarray(0, Math.min(part, size - length - at));
      crc = crc32(wanted.subarray(0, await readAll(file, wanted, at)), crc);
    }
    if (crc.toString(16).padStart(8, '0') === sum) return;
    throw coded(
      'ERR_HOROBALL_FORMAT',
      `${path} is damaged: its checksum is wrong. Export it again. If another program changed it, remove ${key} from its metadata.`,
    );
  });
}

/** Whether a file has the size and the checksum of the file that {@link writeOnnx} writes for a model. */
export async function isOnnxOf(path: string, model: Uint8Array): Promise<boolean> {
  const entry = entryOf(await crcOf(model));
  return await reading(path, 'export', async (file) => {
    const { size } = await file.stat();
    if (size !== model.length + entry.length) return false;
    const tail = Buffer.alloc(entry.length);
    await readAll(file, tail, model.length);
    return tail.equals(entry);
  });
}

function entryOf(sum: string): Buffer {
  return messageField(metadataField, bytesField(1, key), bytesField(2, sum));
}
