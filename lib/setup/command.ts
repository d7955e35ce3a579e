import { spawn } from 'node:child_process';

export interface CommandResult {
  /** Null if the program does not exist or was ended by a signal. */
  code: number | null;
  /** The last `maxKept` characters that the program wrote; likewise `stderr`. */
  stdout: string;
  stderr: string;
}

export interface CommandOptions {
  env?: NodeJS.ProcessEnv;
  cwd?: string;
  timeoutMs?: number;
  /** Aborting it ends the program. */
  signal?: AbortSignal | undefined;
  /** A descriptor that the program inherits, such as that of a lock. */
  descriptor?: number | null | undefined;
  /** Called with every complete line of either stream, as it arrives. */
  onLine?: (line: string) => void;
}

/** Maximum number of characters of each stream that are kept. */
const maxKept = 64_000;

/** Runs a program without input. Never rejects: if the program does not exist, `code` is null. */
export function run(
  program: string,
  args: readonly string[],
  { env = process.env, cwd, timeoutMs, signal, descriptor = null, onLine }: CommandOptions = {},
): Promise<CommandResult> {
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      env,
      ...(cwd === undefined ? {} : { cwd }),
      ...(signal === undefined ? {} : { signal }),
      stdio: ['ignore', 'pipe', 'pipe', ...(descriptor === null ? [] : [descriptor])],
    });
    // Not spawn's own timeout option: if the program does not exist, its timer keeps the process alive until
    // it expires.
    const timer = timeoutMs === undefined ? undefined : setTimeout(() => child.kill(), timeoutMs);
    const finish = (result: CommandResult): void => {
      clearTimeout(timer);
      resolve(result);
    };
    const out = { stdout: '', stderr: '' };
    for (const stream of ['stdout', 'stderr'] as const) {
      let rest = '';
      child[stream]!.setEncoding('utf8').on('data', (text: string) => {
        out[stream] = (out[stream] + text).slice(-maxKept);
        const lines = (rest + text).split(/\r?\n|\r/);
        rest = lines.pop() ?? '';
        for (const line of lines) onLine?.(line);
      });
    }
    child.on('error', (error) => finish({ code: null, stdout: '', stderr: error.message }));
    child.on('close', (code) => finish({ code, ...out }));
  });
}

/** Returns the last line with "error" in the output of a failed program, or else the last non-empty line. */
export function lastWords({ stdout, stderr }: CommandResult): string {
  const lines = `${stdout}\n${stderr}`.split('\n').filter((line) => line.trim() !== '');
  const last = lines.findLast((line) => /error/i.test(line)) ?? lines.at(-1);
  return last?.trim().slice(0, 300) ?? 'no output';
}

/** Returns the first line that `program --version` prints, or undefined if that fails. */
export async function versionOf(program: string): Promise<string | undefined> {
  const { code, stdout } = await run(program, ['--version'], { timeoutMs: 20_000 });
  return code === 0 ? stdout.split('\n', 1)[0]?.trim() : undefined;
}
