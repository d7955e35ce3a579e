import { join } from 'node:path';
import { coded } from '../errors.ts';
import { dropLock, lockHolder, takeLock } from '../io/lock.ts';

/**
 * Takes a run folder for this process, so that no two train in it.
 * @throws {Error} `ERR_HOROBALL_RUN_BUSY` where another process of this machine does.
 */
export async function claimRun(folder: string): Promise<void> {
  const other = await takeLock(claimFile(folder), true);
  if (other === null) return;
  const message = `[train] resume: process ${other} is still training in ${folder}; wait for it, or if it is another program delete ${claimFile(folder)}`;
  throw coded('ERR_HOROBALL_RUN_BUSY', message);
}

/** Gives it back. */
export async function releaseRun(folder: string): Promise<void> {
  await dropLock(claimFile(folder));
}

/** The other process that trains in a run folder now; null where none of this machine does. */
export async function busyWith(folder: string): Promise<number | null> {
  const holder = await lockHolder(claimFile(folder));
  return holder === process.pid ? null : holder;
}

function claimFile(folder: string): string {
  return join(folder, '.training');
}
