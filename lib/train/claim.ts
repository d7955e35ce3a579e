import { readFile, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { coded } from '../errors.ts';

/** Who trains in a run folder. A process that was killed leaves it, so it counts only while that process lives. */
interface Claim {
  pid: number;
  host: string;
}

/**
 * Takes a run folder for this process, so that no two train in it.
 * @throws {Error} `ERR_HOROBALL_RUN_BUSY` where another process of this machine does.
 */
export async function claimRun(folder: string): Promise<void> {
  const claim: Claim = { pid: process.pid, host: hostname() };
  const write = (): Promise<void> => writeFile(claimFile(folder), JSON.stringify(claim), { flag: 'wx' });
  await write().catch(async (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
    const other = await busyWith(folder);
    if (other !== null) throw busy(folder, other);
    await releaseRun(folder); // of a process that is no more
    await write();
  });
}

function busy(folder: string, pid: number): Error {
  const message = `[train] resume: process ${pid} is still training in ${folder}; wait for it, or if it is another program delete ${claimFile(folder)}`;
  return coded('ERR_HOROBALL_RUN_BUSY', message);
}

/** Gives it back. */
export async function releaseRun(folder: string): Promise<void> {
  await rm(claimFile(folder), { force: true });
}

/** The process that trains in a run folder now; null where none of this machine does. */
export async function busyWith(folder: string): Promise<number | null> {
  const text = await readFile(claimFile(folder), 'utf8').catch(() => '');
  const claim = parsed(text);
  if (claim === null || claim.host !== hostname() || claim.pid === process.pid) return null;
  return lives(claim.pid) ? claim.pid : null;
}

function claimFile(folder: string): string {
  return join(folder, '.training');
}

function parsed(text: string): Claim | null {
  try {
    return JSON.parse(text) as Claim;
  } catch {
    return null; // it was cut short, or is not there
  }
}

function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
