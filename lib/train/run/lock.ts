import { resolve } from 'node:path';
import { coded } from '../../errors.ts';
import { isLockName, Lock, lockHolder } from '../../io/lock.ts';

/**
 * Locks a run folder, so that only one run or command writes to it, across processes and threads.
 * @param argument - start of the error message
 * @throws `ERR_HOROBALL_RUN_BUSY` if another run holds the lock, or a run on another host may hold it
 */
export async function lockRun(folder: string, argument = '[train] resume'): Promise<Lock> {
  return await Lock.take(lockFile(folder), (holder, advice) => busy(argument, folder, holder, advice));
}

/**
 * Fails early if a run folder is in use, before the work of preparing a run.
 *
 * @throws as {@link lockRun}
 */
export async function checkFree(folder: string): Promise<void> {
  const other = await runHolder(folder);
  if (other !== null) throw busy('[train] resume', folder, other.holder, other.advice);
}

function busy(argument: string, folder: string, holder: string, advice: string): Error {
  const message = `${argument}: expected a run folder that is not in use, got ${folder}: ${holder} is still using it. ${advice}`;
  return coded('ERR_HOROBALL_RUN_BUSY', message);
}

const resumeAdvice = 'The last checkpoint is valid; resume the run when no other process uses the folder.';

/**
 * Returns the error of a run that lost its folder: it was moved or deleted, or another run took it over.
 * @param argument - start of the error message
 */
export function lostLock(
  folder: string,
  why: string,
  advice: string = resumeAdvice,
  argument = '[train] runs',
): Error {
  const message = `${argument}: expected exclusive use of ${folder}, but ${why}. ${advice}`;
  return coded('ERR_HOROBALL_RUN_BUSY', message);
}

/**
 * Checks that a lock of a run folder was held without interruption, unlike `Lock.reacquire`: while the lock was missing,
 * another process may have changed the files that were read under it.
 * @param argument - start of the error message
 * @throws `ERR_HOROBALL_RUN_BUSY` if it was not
 */
export async function checkHeld(folder: string, lock: Lock, argument = '[train] resume'): Promise<void> {
  if (await lock.isHeld()) return;
  const other = await runHolder(folder);
  const why = other === null ? 'its lock was moved or deleted' : `${other.holder} is using it now`;
  throw lostLock(folder, why, 'Run the command again when no other process uses the folder.', argument);
}

/** Returns the process that uses a run folder, and how to take the folder over; null if it is not in use. */
export async function runHolder(folder: string): Promise<{ holder: string; advice: string } | null> {
  return await lockHolder(lockFile(folder));
}

/** Whether a name is that of the lock of a run folder, or of a file that is created while the lock is acquired. */
export function isRunLock(name: string): boolean {
  return isLockName(name, lockName);
}

const lockName = '.training';

function lockFile(folder: string): string {
  return resolve(folder, lockName);
}
