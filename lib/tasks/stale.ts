// Removes compiled files without a source. tsc keeps the output of renamed or deleted files, and ava would run it.
import { existsSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * Removes the files in `dist` that tsc wrote for sources that no longer exist, and returns their paths in `dist` without
 * extensions. Only tsc writes source maps there.
 */
export async function removeStale(root: string): Promise<string[]> {
  const dist = join(root, 'dist');
  const maps = (await readdir(dist, { recursive: true })).filter((file) => file.endsWith('.js.map'));
  const stale = maps
    .map((file) => file.slice(0, -'.js.map'.length))
    .filter((stem) => !existsSync(join(root, `${stem}.ts`)));
  const endings = ['.js', '.js.map', '.d.ts'];
  await Promise.all(
    stale.flatMap((stem) => endings.map((ending) => rm(join(dist, stem + ending), { force: true }))),
  );
  return stale;
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  await removeStale(fileURLToPath(new URL('../../../', import.meta.url)));
