// Peak memory of one call of one side, in a process of its own: `peak.js SUITE SIDE THREADS` prints bytes.
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { honestMalloc, peakBytes } from './memory.ts';
import { suites } from './suites/all.ts';

/** The same, measured in a fresh process. */
export async function peakElsewhere(suite: string, side: string, threads: number): Promise<number> {
  const args = ['--expose-gc', fileURLToPath(import.meta.url), suite, side, String(threads)];
  const { stdout } = await promisify(execFile)(process.execPath, args, {
    env: { ...process.env, ...honestMalloc },
  });
  return Number(stdout);
}

const [, script, suite, side, threads] = process.argv;
if (script === fileURLToPath(import.meta.url)) {
  const made = suites(Number(threads)).find(({ name }) => name === suite);
  const found = made?.build().own.find(({ name }) => name === side);
  process.stdout.write(`${found === undefined ? Number.NaN : await peakBytes(found.run)}\n`);
}
