import { fileURLToPath } from 'node:url';
import type { ErrorCode } from '../errors.ts';
import { nativeCore } from '../native.ts';
import { lastWords, run } from './command.ts';
import { libraryFiles } from './libraries.ts';
import { packageRoot } from './paths.ts';
import type { LibTorch } from './record.ts';

const self = fileURLToPath(import.meta.url);

/**
 * Loads libtorch in a child process, because a faulty library may crash the process. Returns true, or the error of the
 * loader.
 */
export async function loads({ lib }: LibTorch): Promise<true | string> {
  const result = await run(process.execPath, [self, lib], { timeoutMs: 60_000 });
  return result.code === 0 || lastWords(result);
}

/** Queries the built training addon in a child process. */
export async function probeAddon(): Promise<{ info: AddonInfo } | { reason: string; code: ErrorCode }> {
  const train = new URL('../train/lane/native.js', import.meta.url).href;
  const script = `import('${train}').then((m) => console.log(JSON.stringify({ info: m.torchInfo() })))
    .catch((e) => console.log(JSON.stringify({ reason: e.message, code: e.code ?? '' })))`;
  const result = await run(process.execPath, ['-e', script], { timeoutMs: 60_000, cwd: packageRoot });
  const line = result.stdout.trim().split('\n').at(-1) ?? '';
  if (line.startsWith('{')) return JSON.parse(line) as Awaited<ReturnType<typeof probeAddon>>;
  return { reason: lastWords(result), code: 'ERR_HOROBALL_TORCH_LOAD' };
}

export interface AddonInfo {
  version: string;
  lib: string;
  cuda: boolean;
  threads: number;
}

if (process.argv[1] === self && process.argv[2] !== undefined) {
  try {
    for (const file of libraryFiles(process.argv[2])) nativeCore().dlopenLibrary(file, false);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}
