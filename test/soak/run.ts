// npm run test:soak -- [share] [part...]: runs operations of the library many times and checks that they do not leak
// resources. `share` is a fraction of the full counts, default 1. Prints a line per part, and exits with code 1 if the
// resources of a part grew beyond its limits.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Held } from './child.ts';

const child = fileURLToPath(new URL('child.js', import.meta.url));
const counts: Readonly<Record<string, number>> = {
  searches: 200_000,
  galleries: 10_000,
  workers: 1000,
  steps: 20_000,
  sweeps: 200,
};
/** Allowed growth: glibc keeps freed memory, and libuv and V8 keep a few descriptors and threads. */
const most: Readonly<Record<keyof Held, number>> = {
  rss: 48 * 2 ** 20,
  external: 2 ** 20,
  heap: 4 * 2 ** 20,
  descriptors: 2,
  threads: 2,
  resources: 2,
};

const [share = '1', ...names] = process.argv.slice(2);
for (const [part, full] of Object.entries(counts)) {
  if (names.length > 0 && !names.includes(part)) continue;
  const count = Math.ceil(Number(share) * full);
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--expose-gc', child, part, String(count)],
    {
      maxBuffer: 1 << 26,
    },
  );
  const { before, after } = JSON.parse(stdout) as { before: Held; after: Held };
  const keys = Object.keys(most) as (keyof Held)[];
  const grown = keys.filter((key) => after[key] - before[key] > most[key]);
  const changes = keys.map((key) => {
    const change = after[key] - before[key];
    return `${key} ${most[key] >= 2 ** 20 ? `${(change / 2 ** 20).toFixed(1)} MB` : change}`;
  });
  process.stdout.write(
    `${part} x ${count}: ${changes.join(', ')}${grown.length > 0 ? `  grown: ${grown.join(', ')}` : ''}\n`,
  );
  if (grown.length > 0) process.exitCode = 1;
}
