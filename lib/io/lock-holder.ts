import { readFileSync, readlinkSync } from 'node:fs';
import { hostname, uptime } from 'node:os';
import { z } from 'zod';

/**
 * The holder of a lock. The token distinguishes callers and workers of one process, which can compete for the same
 * lock. A killed process or worker leaves its file behind, so a lock is valid only while its thread exists.
 */
export interface Holder {
  pid: number;
  /** Other machines may share the file; the state of their processes cannot be checked. */
  host: string;
  /** The machine's ID, if it has one: several machines may have the same host name. */
  machine?: string | undefined;
  /** The boot ID: pids and start times recur after a reboot, which no process survives. */
  boot?: string | undefined;
  /** Start time of the process, if available: a later process may have the same pid. */
  began?: string | undefined;
  /** The pid namespace: in another container, the same pid is a different process. */
  space?: string | undefined;
  /** The thread and its start time: a worker can end long before its process. */
  thread?: { id: number; began: string } | undefined;
  /**
   * The holder keeps the file locked (flock), so on the same machine the kernel reports whether the holder still
   * exists.
   */
  locked?: true | undefined;
  token?: string | undefined;
}

const holderSchema: z.ZodType<Holder> = z.object({
  pid: z.int().positive(),
  host: z
    .string()
    .max(255)
    .regex(/^\P{Cc}*$/u), // no control characters, because error messages show the name
  machine: z.string().optional(),
  boot: z.string().optional(),
  began: z.string().optional(),
  space: z.string().optional(),
  thread: z.object({ id: z.int().positive(), began: z.string() }).optional(),
  locked: z.literal(true).optional(),
  token: z.string().optional(),
});

/** Describes this thread as the holder of a lock. */
export function thisThread(): Holder {
  const { pid } = process;
  const id = threadNumber();
  const began = id === null ? undefined : statOf(`${pid}/task/${id}`)?.began;
  return {
    pid,
    ...thisPlace(),
    began: statOf(String(pid))?.began,
    ...(id !== null && began !== undefined && { thread: { id, began } }),
    token: crypto.randomUUID(),
  };
}

/** Returns the operating system's ID of this thread. Synchronous, because asynchronous calls run on pool threads. */
function threadNumber(): number | null {
  try {
    return Number(/\/task\/(\d+)$/.exec(readlinkSync('/proc/thread-self'))?.[1] ?? Number.NaN) || null;
  } catch {
    return null; // available on Linux only
  }
}

export type Place = Pick<Holder, 'host' | 'machine' | 'boot' | 'space'>;

/** Identifies the machine and container of this process, as far as the system reports them. */
export function thisPlace(): Place {
  const textIn = (path: string) => readFileSync(path, 'utf8').trim();
  return {
    host: hostname(),
    machine: orUndefined(() => textIn('/etc/machine-id')),
    boot: orUndefined(() => textIn('/proc/sys/kernel/random/boot_id')),
    space: orUndefined(() => readlinkSync('/proc/self/ns/pid')),
  };
}

function orUndefined(read: () => string): string | undefined {
  try {
    return read() || undefined;
  } catch {
    return undefined;
  }
}

/** Whether both values are known and differ. */
export function differ(one: string | undefined, other: string | undefined): boolean {
  return one !== undefined && other !== undefined && one !== other;
}

/**
 * Whether a holder runs on this kernel, or ran on this machine before a reboot. An equal boot ID, which is random, is enough:
 * containers on one kernel have different host names. An equal host name and machine ID are not, because cloned machines share
 * both: with another boot ID, a lock file that was written since this machine was started is that of another machine.
 *
 * @param writtenMs - the modification time of the lock file
 */
export function isOnThisKernel({ boot, host, machine }: Holder, here: Place, writtenMs: number): boolean {
  if (boot !== undefined && boot === here.boot) return true;
  if (host !== here.host || differ(machine, here.machine)) return false;
  return !differ(boot, here.boot) || writtenMs < startMs();
}

/** Returns when this machine was started; the present if that is unknown. */
function startMs(): number {
  try {
    return Date.now() - 1000 * uptime();
  } catch {
    return Date.now();
  }
}

/** Whether a holder runs, or may run, in another container, where the process IDs are different. */
export function isInOtherSpace({ host, space }: Holder, here: Place): boolean {
  return host === here.host ? differ(space, here.space) : space === undefined || space !== here.space;
}

/** Parses the text of a lock file; null if it is invalid or truncated. Earlier versions wrote only the process ID. */
export function parseHolder(text: string): Holder | null {
  try {
    const value: unknown = JSON.parse(text);
    const holder = holderSchema.safeParse(
      typeof value === 'number' ? { pid: value, host: hostname() } : value,
    );
    return holder.success ? holder.data : null;
  } catch {
    return null;
  }
}

/** Whether a holder on this kernel with the same process IDs exists. */
export function isRunning({ pid, began, thread }: Holder): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  const found = statOf(String(pid));
  if (found === null) return true;
  if (found.ended || (began !== undefined && began !== found.began)) return false;
  if (thread === undefined) return true;
  const its = statOf(`${pid}/task/${thread.id}`);
  return its !== null && !its.ended && its.began === thread.began;
}

/**
 * Returns the state of a process or thread on Linux, see proc_pid_stat(5). A killed process remains as a zombie until
 * its parent waits for it.
 */
function statOf(of: string): { ended: boolean; began: string } | null {
  const text = orUndefined(() => readFileSync(`/proc/${of}/stat`, 'utf8')) ?? '';
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' '); // from the third field on
  const [state, began] = [fields[0], fields[19]];
  return began === undefined ? null : { ended: state === 'Z' || state === 'X', began };
}
