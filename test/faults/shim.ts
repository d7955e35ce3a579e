// Runs programs with failing system calls: see shim.c.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { access, mkdtemp, readFile, rm } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const source = fileURLToPath(new URL('../../../test/faults/shim.c', import.meta.url));

export const operations = [
  'open',
  'create',
  'read',
  'write',
  'sync',
  'truncate',
  'rename',
  'link',
  'unlink',
  'mkdir',
] as const;
export type Operation = (typeof operations)[number];

/** Errors that are injected into each operation; `short` transfers half of the bytes. */
export const errorsOf: Readonly<Record<Operation, readonly (keyof typeof constants.errno | 'short')[]>> = {
  open: ['EMFILE', 'EACCES'],
  create: ['EMFILE', 'EROFS'],
  read: ['EIO', 'short'],
  write: ['ENOSPC', 'EIO', 'short'],
  sync: ['EIO'],
  truncate: ['EIO'],
  rename: ['ENOSPC'],
  link: ['EPERM'],
  unlink: ['EIO'],
  mkdir: ['EROFS'],
};

export interface Fault {
  operation: Operation;
  error: (typeof errorsOf)[Operation][number];
  /** The first call that fails, counted from 1. */
  first: number;
  /** How many calls fail in a row; default 1. */
  count?: number;
}

export interface Ending {
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

/** The compiled shim.c. `compile` returns null if the system is not Linux or has no C compiler. */
export class Shim implements AsyncDisposable {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async compile(): Promise<Shim | null> {
    if (process.platform !== 'linux') return null;
    const shim = new Shim(await mkdtemp(join(tmpdir(), 'horoball-shim-')));
    const flags = ['-shared', '-fPIC', '-O1', '-o', shim.#library, source, '-ldl'];
    await promisify(execFile)('cc', flags).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
    const isThere = await access(shim.#library).then(
      () => true,
      () => false,
    );
    return isThere ? shim : null;
  }

  get #library(): string {
    return join(this.#folder, 'shim.so');
  }

  /** Runs node with a fault in calls on files whose path contains `path`. */
  async run(
    args: readonly string[],
    path: string,
    fault: Fault | null,
    env: NodeJS.ProcessEnv = {},
  ): Promise<Ending> {
    const { operation, error, first, count = 1 } = fault ?? { operation: 'none', error: 'short', first: 0 };
    const number = error === 'short' ? 0 : constants.errno[error];
    const injected = {
      LD_PRELOAD: this.#library,
      HOROBALL_FAULT: `${operation} ${number} ${first} ${count} ${path}`,
    };
    return await ending(args, { ...injected, ...env });
  }

  /**
   * Runs node without faults.
   *
   * @returns its calls on files whose path contains `path`, in order
   */
  async calls(args: readonly string[], path: string): Promise<{ operation: string; file: string }[]> {
    const log = join(this.#folder, 'log');
    await rm(log, { force: true });
    const { code, stderr } = await this.run(args, path, null, { HOROBALL_FAULT_LOG: log });
    if (code !== 0) throw new Error(`without faults, it ended with ${code}: ${stderr}`);
    return (await readFile(log, 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => {
        const at = line.indexOf(' ');
        return { operation: line.slice(0, at), file: line.slice(at + 1) };
      });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true, force: true });
  }
}

const patienceMs = 120_000;

/**
 * Runs node to its end, and kills it if it hangs.
 *
 * @param meanwhile - called when it has started
 */
export async function ending(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
  meanwhile: (child: ChildProcess) => unknown = () => {},
): Promise<Ending> {
  const child = spawn(process.execPath, args, {
    env: { ...process.env, HOROBALL_DEBUG: '', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: patienceMs,
    killSignal: 'SIGKILL',
  });
  meanwhile(child);
  const text = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const)
    child[stream].setEncoding('utf8').on('data', (chunk: string) => {
      text[stream] += chunk;
    });
  return await new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, ...text }));
  });
}
