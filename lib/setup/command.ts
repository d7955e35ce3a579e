import { spawn } from 'node:child_process';

/** What became of a child process. */
export interface CommandResult {
  /** Null when the program does not exist or was ended by a signal. */
  code: number | null;
  stdout: string;
  /** The last part of what it said, for error messages. */
  stderr: string;
}

export interface CommandOptions {
  env?: NodeJS.ProcessEnv;
  cwd?: string;
  timeoutMs?: number;
  /** Called with every whole line of both streams, as it comes. */
  onLine?: (line: string) => void;
}

const kept = 64_000;

/** Runs a program with its input closed. Never rejects: a program that is not there is code null. */
export function run(
  program: string,
  args: readonly string[],
  { env = process.env, cwd, timeoutMs, onLine }: CommandOptions = {},
): Promise<CommandResult> {
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      env,
      ...(cwd === undefined ? {} : { cwd }),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    // Not spawn's own option: after a program that is not there its timer kept the process for the whole time.
    const timer = timeoutMs === undefined ? undefined : setTimeout(() => child.kill(), timeoutMs);
    const settle = (result: CommandResult): void => {
      clearTimeout(timer);
      resolve(result);
    };
    const out = { stdout: '', stderr: '' };
    for (const stream of ['stdout', 'stderr'] as const) {
      let rest = '';
      child[stream].setEncoding('utf8').on('data', (text: string) => {
        out[stream] = (out[stream] + text).slice(-kept);
        const lines = (rest + text).split(/\r?\n|\r/);
        rest = lines.pop() ?? '';
        for (const line of lines) onLine?.(line);
      });
    }
    child.on('error', (error) => settle({ code: null, stdout: '', stderr: error.message }));
    child.on('close', (code) => settle({ code, ...out }));
  });
}

/** The last line of a failed program that says something, for an error message. */
export function lastWords({ stdout, stderr }: CommandResult): string {
  const lines = `${stdout}\n${stderr}`.split('\n').filter((line) => line.trim() !== '');
  const telling = lines.findLast((line) => /error/i.test(line)) ?? lines.at(-1);
  return telling?.trim().slice(0, 300) ?? 'it said nothing';
}

/** The first line that `program --version` prints, or undefined when there is no such program. */
export async function versionOf(program: string): Promise<string | undefined> {
  const { code, stdout } = await run(program, ['--version'], { timeoutMs: 20_000 });
  return code === 0 ? stdout.split('\n', 1)[0]?.trim() : undefined;
}
