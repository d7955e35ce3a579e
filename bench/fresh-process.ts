import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { honestMalloc } from './memory.ts';

/** Runs a module in a fresh process and returns the JSON that it prints. */
export async function inFreshProcess<T>(module: string, ...args: readonly (string | number)[]): Promise<T> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--expose-gc', fileURLToPath(module), ...args.map(String)],
    { env: { ...process.env, ...honestMalloc } },
  );
  return JSON.parse(stdout) as T;
}

/** Returns the command-line arguments if {@link inFreshProcess} runs the module; undefined if another module imports it. */
export function entryArguments(module: string): string[] | undefined {
  const [, script, ...args] = process.argv;
  return script === fileURLToPath(module) ? args : undefined;
}
