import { coded } from '../errors.ts';
import { readAll, removeAbandoned, writeAll, writeAtomically } from '../io/atomic.ts';
import { crcOf, crcOfFile } from '../io/checksums.ts';
import { bytesField, messageField } from '../io/protobuf.ts';
import { reading } from '../io/regular.ts';
import { metadataField } from './metadata.ts';

/**
 * Key of the metadata entry with the CRC-32 of all bytes before it, as eight hexadecimal digits. The entry is the last
 * field of the file; in Protocol Buffers, fields may have any order. Files without it come from earlier versions or
 * other programs.
 */
const key = 'horoball.crc32';

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
    if ((await crcOfFile(file, 0, size - length)) === sum) return;
    throw coded(
      'ERR_HOROBALL_FORMAT',
      `${path} is damaged: its checksum is wrong. Export it again. If another program changed it, remove ${key} from its metadata.`,
    );
  });
}

/** Whether a file is the file that {@link writeOnnx} writes for a model, without damage. */
export async function isOnnxOf(path: string, model: Uint8Array): Promise<boolean> {
  const sum = await crcOf(model);
  const entry = entryOf(sum);
  return await reading(path, 'export', async (file) => {
    const { size } = await file.stat();
    if (size !== model.length + entry.length) return false;
    const tail = Buffer.alloc(entry.length);
    await readAll(file, tail, model.length);
    return tail.equals(entry) && (await crcOfFile(file, 0, model.length)) === sum;
  });
}

function entryOf(sum: string): Buffer {
  return messageField(metadataField, bytesField(1, key), bytesField(2, sum));
}
