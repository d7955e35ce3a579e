import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { root } from './machine.ts';

const execute = promisify(execFile);

/**
 * Measures the machine's peak rate of float32 multiply-adds on `threads` threads in GFLOP/s, with
 * native/test/multiply_add.cc. Returns NaN if that cannot be built, as in an installed package.
 */
export async function multiplyAddPeak(threads: number): Promise<number> {
  try {
    const build = join(root, 'build');
    await execute('cmake', ['--build', build, '--target', 'multiply_add']);
    return Number((await execute(join(build, 'multiply_add'), [String(threads)])).stdout);
  } catch {
    return Number.NaN;
  }
}
