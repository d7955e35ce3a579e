// node dist/test/faults/unpack.js FOLDER: unpacks libtorch.zip to cache/current, both in that folder.
import { join } from 'node:path';
import { unpackLibTorch } from '../../lib/setup/archive.ts';

const folder = process.argv[2]!;
try {
  await unpackLibTorch(
    join(folder, 'libtorch.zip'),
    join(folder, 'cache', 'current'),
    async () => {},
    () => {},
  );
} catch (error) {
  const { code, message } = error as NodeJS.ErrnoException;
  process.stdout.write(`${JSON.stringify({ type: 'error', code: code ?? null, message })}\n`);
  process.exitCode = 1;
}
