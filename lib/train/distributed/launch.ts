/** Starts several processes on this machine that train one network together. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { lastName } from '../../io/run-path.ts';

/** A message from a rank to the launcher. */
export type RankMessage = { type: 'run'; folder: string };

export interface LaunchOptions {
  /** Number of processes. */
  size: number;
  /**
   * Returns the arguments of Node: the program, followed by its own arguments.
   * @param resume - the run folder to resume, after a restart
   */
  command: (resume: string | null) => readonly string[];
  /** Maximum number of restarts from the last checkpoint after a rank fails; default 0. */
  maxRestarts?: number;
  /** Receives messages for the user. */
  say: (text: string) => void;
}

/**
 * Seconds from the first failure until the remaining ranks are killed; they normally exit earlier, with an error.
 */
const killSeconds = 25;

/**
 * Starts the ranks and waits for them. SIGINT and SIGTERM are forwarded, so that the ranks stop after the current step and
 * rank 0 writes a checkpoint; a second signal kills them. Rank 0 inherits the streams of this process; the stderr of the
 * others is printed with a rank prefix.
 *
 * @returns the exit code: 0 on success, 130 or 143 after a signal, otherwise the code of the first rank that failed
 */
export async function launch({ size, command, maxRestarts = 0, say }: LaunchOptions): Promise<number> {
  const launcher = new Launcher(size, say);
  const names = ['SIGINT', 'SIGTERM'] as const;
  const stop = (signal: NodeJS.Signals): void => launcher.stop(signal);
  for (const name of names) process.on(name, stop);
  try {
    for (let restarts = 0; ; restarts++) {
      const code = await launcher.run(command(restarts === 0 ? null : launcher.resumable()));
      if (code === 0 || launcher.isStopping || restarts >= maxRestarts) return code;
      const folder = launcher.resumable();
      const saved = folder !== null && existsSync(join(folder, lastName));
      const from = saved ? `from the last checkpoint in ${folder}` : 'from the start';
      say(`Restarting ${size} ranks ${from} (${restarts + 1} of ${maxRestarts}).`);
    }
  } finally {
    for (const name of names) process.off(name, stop);
  }
}

class Launcher {
  readonly #size: number;
  readonly #say: (text: string) => void;
  #ranks: ChildProcess[] = [];
  #signal: NodeJS.Signals | null = null;
  #folder: string | null = null;
  #printed = new Set<string>();

  constructor(size: number, say: (text: string) => void) {
    this.#size = size;
    this.#say = say;
  }

  get isStopping(): boolean {
    return this.#signal !== null;
  }

  /** Returns the run folder to resume after a restart; null if no configuration has been saved there yet. */
  resumable(): string | null {
    return this.#folder !== null && existsSync(join(this.#folder, 'config.json')) ? this.#folder : null;
  }

  stop(signal: NodeJS.Signals): void {
    const isSecond = this.#signal !== null;
    this.#signal ??= signal;
    for (const rank of this.#ranks) rank.kill(isSecond ? 'SIGKILL' : signal);
  }

  async run(command: readonly string[]): Promise<number> {
    const port = await freePort();
    this.#printed = new Set();
    let first: number | null = null;
    let timer: NodeJS.Timeout | undefined;
    const killAll = (): void => {
      for (const rank of this.#ranks) if (isRunning(rank)) rank.kill('SIGKILL');
    };
    this.#ranks = Array.from({ length: this.#size }, (_, rank) => this.#start(rank, port, command));
    await Promise.all(
      this.#ranks.map(async (child, rank) => {
        const code = await this.#end(child, rank, () => first === null);
        if (code === 0 || this.isStopping) return;
        first ??= code;
        timer ??= setTimeout(killAll, 1000 * killSeconds);
      }),
    );
    clearTimeout(timer);
    if (this.#signal !== null) return this.#signal === 'SIGINT' ? 130 : 143;
    return first ?? 0;
  }

  #start(rank: number, port: number, command: readonly string[]): ChildProcess {
    const threads = Math.max(1, Math.floor(availableParallelism() / this.#size));
    const env = {
      OMP_NUM_THREADS: String(threads),
      ...process.env,
      RANK: String(rank),
      LOCAL_RANK: String(rank),
      WORLD_SIZE: String(this.#size),
      LOCAL_WORLD_SIZE: String(this.#size),
      MASTER_ADDR: '127.0.0.1',
      MASTER_PORT: String(port),
    };
    const stdio = rank === 0 ? ('inherit' as const) : ('pipe' as const);
    // Detached, so that Ctrl-C reaches the ranks only through the launcher.
    const child = spawn(process.execPath, command, {
      env,
      stdio: [rank === 0 ? 'inherit' : 'ignore', rank === 0 ? 'inherit' : 'ignore', stdio, 'ipc'],
      detached: true,
    });
    child.on('message', (message: RankMessage) => {
      if (message.type === 'run') this.#folder = message.folder;
    });
    let rest = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop()!;
      for (const line of lines) this.#printOnce(rank, line);
    });
    return child;
  }

  /** Prints a line once, even if several ranks print it. */
  #printOnce(rank: number, line: string): void {
    if (line === '' || this.#printed.has(line)) return;
    this.#printed.add(line);
    this.#say(`[rank ${rank}] ${line}`);
  }

  async #end(child: ChildProcess, rank: number, isFirst: () => boolean): Promise<number> {
    const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve) => {
      child.on('close', (code, signal) => resolve([code, signal]));
      child.on('error', () => resolve([1, null]));
    });
    if (signal !== null && !this.isStopping && isFirst()) this.#say(`Rank ${rank} was killed by ${signal}.`);
    return signal === null ? (code ?? 1) : 1;
  }
}

function isRunning({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode === null && signalCode === null;
}

/** Returns a free port on the loopback interface. */
async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.on('error', reject).listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as { port: number };
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}

/** Reports the run folder to the launcher, if any, so that it can resume the run after a restart. */
export function reportFolder(folder: string): void {
  process.send?.({ type: 'run', folder } satisfies RankMessage);
}

/**
 * Stops a rank with SIGTERM if its launcher exits.
 *
 * @returns a function that stops watching the launcher
 */
export function followLauncher(): () => void {
  if (process.channel === undefined) return () => {};
  const end = (): void => void process.kill(process.pid, 'SIGTERM');
  process.on('disconnect', end);
  process.channel?.unref();
  return () => {
    process.off('disconnect', end);
  };
}
