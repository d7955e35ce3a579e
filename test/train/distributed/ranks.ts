// Starts test programs as the ranks of a group on the loopback.
import { type ChildProcess, spawn } from 'node:child_process';
import { createServer } from 'node:net';

export interface Rank {
  child: ChildProcess;
  /** Resolves once stdout has this line or matches this pattern. */
  says(line: string | RegExp): Promise<void>;
  end: Promise<{ code: number | null; signal: NodeJS.Signals | null; stdout: string; stderr: string }>;
}

/**
 * Starts one process per rank, or one without a group if `size` is null. Each has one thread, so that rounding does
 * not differ.
 */
export async function startRanks(
  size: number | null,
  command: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<Rank[]> {
  const port = String(await freePort());
  return Array.from({ length: size ?? 1 }, (_, rank) => {
    const place = {
      RANK: String(rank),
      LOCAL_RANK: String(rank),
      WORLD_SIZE: String(size),
      LOCAL_WORLD_SIZE: String(size),
      MASTER_ADDR: '127.0.0.1',
      MASTER_PORT: port,
    };
    return follow(
      spawn(process.execPath, [...command], {
        env: { ...process.env, OMP_NUM_THREADS: '1', ...(size !== null && place), ...env },
      }),
    );
  });
}

/** Collects the output of a process. */
export function follow(child: ChildProcess): Rank {
  const text = { stdout: '', stderr: '' };
  const waiting = new Set<() => void>();
  for (const stream of ['stdout', 'stderr'] as const)
    child[stream]!.setEncoding('utf8').on('data', (chunk: string) => {
      text[stream] += chunk;
      for (const check of waiting) check();
    });
  const end = new Promise<Awaited<Rank['end']>>((resolve) => {
    child.on('close', (code, signal) => resolve({ code, signal, ...text }));
  });
  const says = (line: string | RegExp): Promise<void> =>
    new Promise((resolve, reject) => {
      const matches = (): boolean =>
        typeof line === 'string' ? text.stdout.split('\n').includes(line) : line.test(text.stdout);
      const check = (): void => {
        if (matches()) resolve();
      };
      waiting.add(check);
      check();
      end.then(({ code, stderr }) => reject(new Error(`it ended with ${code} first: ${stderr}`)), reject);
    });
  return { child, says, end };
}

/** Waits for ranks that must succeed, and returns the output of rank 0. */
export async function success(ranks: readonly Rank[]): Promise<string> {
  const ends = await Promise.all(ranks.map(({ end }) => end));
  for (const [rank, { code, stderr }] of ends.entries())
    if (code !== 0) throw new Error(`rank ${rank} ended with ${code}: ${stderr}`);
  return ends[0]!.stdout;
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise<void>((resolve) => server.close(() => resolve()));
  return port;
}
