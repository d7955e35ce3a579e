// Ways to disturb a process other than a single failing system call.
import { spawn } from 'node:child_process';
import { readdir, rm, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Ending, ending, type Shim } from './shim.ts';

export interface Circumstances {
  shim: Shim;
  args: readonly string[];
  /** The folder in which the command works. */
  folder: string;
  /** Duration of an undisturbed command in ms. */
  tookMs: number;
  /** Returns a pseudorandom number from 0 to 1. */
  random: () => number;
}

export interface Disturbance {
  run(circumstances: Circumstances): Promise<Ending>;
  /** The signal by which the command may end. */
  signal?: NodeJS.Signals;
  /** Whether the command is expected to succeed. */
  succeeds?: true;
  /** Whether it changes the files that the command reads, so that the result may differ. */
  changesInput?: true;
}

/** Returns a disturbance that sends the command a signal at a random moment. */
function killedBy(signal: NodeJS.Signals): Disturbance {
  return {
    run: ({ args, tookMs, random }) =>
      ending(args, {}, (child) => void sleep(tookMs * random()).then(() => child.kill(signal))),
    signal,
  };
}

/** Runs a shell script in which the word COMMAND stands for the node command. */
function inShell(script: string, { args }: Circumstances): Promise<Ending> {
  const words = [process.execPath, ...args].map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' ');
  const child = spawn('bash', ['-c', script.replace('COMMAND', () => words)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const text = { stdout: '', stderr: '' };
  for (const stream of ['stdout', 'stderr'] as const)
    child[stream].setEncoding('utf8').on('data', (chunk: string) => {
      text[stream] += chunk;
    });
  return new Promise((resolve) => child.on('close', (code, signal) => resolve({ code, signal, ...text })));
}

/** Returns a disturbance that damages a random file of the folder while the command runs. */
function meanwhile(harm: (file: string) => Promise<void>): Disturbance {
  return {
    run: async ({ args, folder, tookMs, random }) => {
      const entries = await readdir(folder, { recursive: true, withFileTypes: true });
      const files = entries
        .filter((entry) => entry.isFile())
        .map((entry) => join(entry.parentPath, entry.name));
      const file = files[Math.floor(random() * files.length)]!;
      let harmed = Promise.resolve();
      const end = await ending(args, {}, () => {
        harmed = sleep(tookMs * random())
          .then(() => harm(file))
          .catch(() => {});
      });
      await harmed; // else it could damage the files of the next attempt
      return end;
    },
    changesInput: true,
  };
}

export const disturbances: Readonly<Record<string, Disturbance>> = {
  SIGKILL: killedBy('SIGKILL'),
  SIGTERM: killedBy('SIGTERM'),
  SIGINT: killedBy('SIGINT'),
  'a pause by SIGSTOP': {
    run: ({ args, tookMs, random }) =>
      ending(args, {}, async (child) => {
        await sleep(tookMs * random());
        child.kill('SIGSTOP');
        await sleep(500);
        child.kill('SIGCONT');
      }),
    succeeds: true,
  },
  'jumps of the clock': {
    run: ({ shim, args, folder }) => shim.run(args, folder, null, { HOROBALL_FAULT_CLOCK: '-90000' }),
    succeeds: true,
  },
  'no HOME': {
    run: (circumstances) => inShell('unset HOME XDG_CACHE_HOME; exec COMMAND', circumstances),
    succeeds: true,
  },
  'a closed stdout': { run: (circumstances) => inShell('COMMAND >&-', circumstances), succeeds: true },
  'a deleted working folder': {
    run: (circumstances) => inShell('cd "$(mktemp -d)" && rmdir "$PWD" && exec COMMAND', circumstances),
  },
  'a second process in the same folder': {
    run: async ({ args }) => {
      const both = await Promise.all([ending(args), ending(args)]);
      return both.find(({ code }) => code !== 0) ?? both[0]!;
    },
  },
  'a file that vanishes': meanwhile((file) => rm(file)),
  'a file that is truncated': meanwhile((file) => truncate(file, 100)),
  'a disk that stays full': {
    run: ({ shim, args, folder }) =>
      shim.run(args, folder, { operation: 'write', error: 'ENOSPC', first: 1, count: 1e9 }),
  },
  'a read-only folder': {
    run: ({ shim, args, folder }) =>
      shim.run(args, folder, { operation: 'create', error: 'EROFS', first: 1, count: 1e9 }),
  },
};
