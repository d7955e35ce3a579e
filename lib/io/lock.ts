import { link, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';

/** Who holds a lock. A process that was killed leaves it, so it counts only while that process lives. */
interface Holder {
  pid: number;
  /** The file may be seen by other machines too; of their processes nothing is known. */
  host: string;
  /** Its start by the system's clock, where that can be read: a later process may have the same number. */
  began?: string | undefined;
}

/** Looks at a dead lock that somebody else is taking over, which is done in a moment. */
const mostLooks = 200;
const pauseMs = 5;

/**
 * Takes a lock, a file that appears whole or not at all. One whose process is gone is taken over, by one of all who try.
 * @param again - whether this process may take what it holds already
 * @returns the process of this machine that holds it; null where this one does now
 */
export async function takeLock(path: string, again = false): Promise<number | null> {
  const own = `${path}.${crypto.randomUUID()}`;
  const began = (await processOf(process.pid))?.began;
  await writeFile(own, JSON.stringify({ pid: process.pid, host: hostname(), began } satisfies Holder));
  try {
    for (let look = 1; ; look++) {
      if (await appears(own, path)) return null;
      const text = await textOf(path);
      if (text === null) continue;
      const holder = await livingHolder(text);
      if (holder !== null && !(again && holder === process.pid)) return holder;
      const next = `${path}.next`; // whoever has this lock may put his own in the place of the dead one
      const heir = await takeLock(next);
      if (heir === null && (await replaces(own, path, text, next))) return null;
      if (heir !== null && look >= mostLooks) return heir;
      await sleep(pauseMs);
    }
  } finally {
    await rm(own, { force: true });
  }
}

/** The living process of this machine that holds a lock; null where none does. */
export async function lockHolder(path: string): Promise<number | null> {
  return await livingHolder((await textOf(path)) ?? '');
}

/** Gives a lock back. */
export async function dropLock(path: string): Promise<void> {
  await rm(path, { force: true });
}

/** Gives a file a second name, if nothing has that yet. */
async function appears(file: string, path: string): Promise<boolean> {
  try {
    await link(file, path).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code === 'EEXIST') throw error;
      await writeFile(path, await readFile(file), { flag: 'wx' }); // not every file system has links
    });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** Puts a file in the place of a dead lock that is there still, and gives `right` back, the lock that allows it. */
async function replaces(file: string, path: string, dead: string, right: string): Promise<boolean> {
  try {
    if ((await textOf(path)) !== dead) return false;
    await rename(file, path);
    return true;
  } finally {
    await dropLock(right);
  }
}

async function textOf(path: string): Promise<string | null> {
  return await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  });
}

async function livingHolder(text: string): Promise<number | null> {
  const holder = parsed(text);
  return holder.pid > 0 && holder.host === hostname() && (await lives(holder)) ? holder.pid : null;
}

/** Earlier versions wrote the number alone. */
function parsed(text: string): Holder {
  try {
    const value = JSON.parse(text) as Holder | number | null;
    return typeof value === 'number' ? { pid: value, host: hostname() } : { pid: 0, host: '', ...value };
  } catch {
    return { pid: 0, host: '' }; // it was cut short, or is not there
  }
}

async function lives({ pid, began }: Holder): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false;
  }
  const found = await processOf(pid);
  if (found === null) return true;
  return !found.ended && (began === undefined || began === found.began);
}

/** What Linux tells of a process, by proc_pid_stat(5): one that was killed stays until its parent asks for it. */
async function processOf(pid: number): Promise<{ ended: boolean; began: string } | null> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' '); // from the third on
  const [state, began] = [fields[0], fields[19]];
  return began === undefined ? null : { ended: state === 'Z' || state === 'X', began };
}
