// Checksums of parts of files; those of tensors and headers are in safetensors.test.ts.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import test from 'ava';
import { crcOfFile } from '../../lib/io/checksums.ts';
import { openRegular } from '../../lib/io/regular.ts';

let folder = '';
test.before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'horoball-checksums-'));
});
test.after.always(() => rm(folder, { recursive: true, force: true }));

test('the checksum of a range of a file is that of its bytes', async (t) => {
  const path = join(folder, 'bytes');
  const bytes = Uint8Array.from({ length: 2 ** 22 + 1000 }, (_, i) => i % 251);
  await writeFile(path, bytes);
  const file = await openRegular(path, 'test');
  try {
    for (const [begin, end] of [
      [0, bytes.length],
      [0, 2 ** 22 + 10],
      [7, 2 ** 22 + 7],
      [7, 90],
      [5, 5],
    ] as const)
      t.is(
        await crcOfFile(file, begin, end),
        crc32(bytes.subarray(begin, end)).toString(16).padStart(8, '0'),
      );
  } finally {
    await file.close();
  }
});
