// The tests of withoutHiddenWork() include those of checkDirectories().
import { readFile } from 'node:fs/promises';
import test from 'ava';
import { decode } from '../../lib/image/decode.ts';
import { checkColors } from '../../lib/image/tiff.ts';
import { fixture } from '../support.ts';

const [photometric, compression] = [262, 259];

/** Returns rgb.tif, a little-endian file, with other values of some tags. */
async function withTags(changes: Readonly<Record<number, number>>): Promise<Buffer> {
  const bytes = Buffer.from(await readFile(fixture('images/rgb.tif')));
  const directory = bytes.readUInt32LE(4);
  for (let i = 0; i < bytes.readUInt16LE(directory); i++) {
    const at = directory + 2 + 12 * i;
    const change = changes[bytes.readUInt16LE(at)];
    if (change !== undefined) bytes.writeUInt16LE(change, at + 8);
  }
  return bytes;
}

test('YCbCr colors are accepted only with JPEG compression, because they would be returned as RGB', async (t) => {
  const message = 'YCbCr colors without JPEG compression are not supported';
  const plain = await withTags({ [photometric]: 6 });
  await t.throwsAsync(decode(plain), { code: 'ERR_HOROBALL_PICTURE', message });
  const packed = await withTags({ [photometric]: 6, [compression]: 5 });
  t.throws(() => checkColors(packed), { message });
  const jpeg = await withTags({ [photometric]: 6, [compression]: 7 });
  const rgb = await withTags({});
  t.notThrows(() => checkColors(jpeg));
  t.notThrows(() => checkColors(rgb));
  t.notThrows(() => checkColors(rgb.subarray(0, rgb.readUInt32LE(4) + 5)));
});
