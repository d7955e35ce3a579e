import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { root } from './machine.ts';

const execute = promisify(execFile);

/**
 * The machine's peak rate of float32 multiply-adds on `threads` threads in GFLOP/s, measured by
 * native/test/multiply_add.cc; NaN if it cannot be built, such as in an installed package.
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
