import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const main: string = fileURLToPath(new URL('../../lib/cli/main.js', import.meta.url));

export interface Outcome {
  code: number | null;
  stdout: string;
  stderr: string;
  /** The lines of stdout, parsed as JSON. */
  rows(): Record<string, unknown>[];
}

export interface Running {
  child: ChildProcess;
  /** Resolves when a line of either stream matches. */
  line(pattern: RegExp): Promise<void>;
  outcome: Promise<Outcome>;
}

/** Starts `horoball ...` in a separate process. */
export function start(args: readonly string[], env: NodeJS.ProcessEnv = {}): Running {
  const child = spawn(process.execPath, [main, ...args], {
    env: { ...process.env, HOROBALL_DEBUG: '', ...env },
  });
  const text = { stdout: '', stderr: '' };
  const waiting = new Set<() => void>();
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8').on('data', (chunk: string) => {
      text[stream] += chunk;
      for (const check of waiting) check();
    });
  }
  const outcome = new Promise<Outcome>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => {
      const rows = (): Record<string, unknown>[] =>
        text.stdout
          .split('\n')
          .flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Record<string, unknown>]));
      resolve({ code, ...text, rows });
    });
  });
  const line = (pattern: RegExp): Promise<void> =>
    new Promise((resolve, reject) => {
      const check = (): void => {
        if (!pattern.test(text.stdout) && !pattern.test(text.stderr)) return;
        waiting.delete(check);
        resolve();
      };
      waiting.add(check);
      check();
      outcome.then(({ code, stderr }) => reject(new Error(`it ended with ${code} first: ${stderr}`)), reject);
    });
  return { child, line, outcome };
}

/** Runs `horoball ...` to its end. */
export function horoball(args: readonly string[], env?: NodeJS.ProcessEnv): Promise<Outcome> {
  return start(args, env).outcome;
}
