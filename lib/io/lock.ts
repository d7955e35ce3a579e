import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { link, readdir, rename, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { nativeCore } from '../native.ts';
import { naming } from './file-errors.ts';
import { openInside } from './inside.ts';
import {
  differ,
  type Holder,
  isInOtherSpace,
  isOnThisKernel,
  isRunning,
  parseHolder,
  thisPlace,
  thisThread,
} from './lock-holder.ts';

/** The contents and state of a lock file. */
interface Found {
  text: string;
  /** Null if the text is invalid, for example truncated. */
  holder: Holder | null;
  /** Whether an open descriptor locks the file; null if unknown. */
  isLocked: boolean | null;
  /** Modification time. */
  writtenMs: number;
}

/** Maximum number of polls of a stale lock while another process takes it over. */
const maxPolls = 200;
const pauseMs = 5;
/** Maximum number of polls of an empty file: without hard links, a file is created before its text is written. */
const maxEmptyPolls = 20;
const mostText = 4096;

/** A lock that this program holds. */
export class Lock implements AsyncDisposable {
  readonly path: string;
  readonly #holder: Holder;
  #text = '';
  /** Descriptor of the lock file, open as long as the lock is held. */
  #descriptor: number | null = null;

  private constructor(path: string, holder: Holder) {
    this.path = path;
    this.#holder = holder;
  }

  /**
   * Acquires a lock file atomically. If its holder has ended, exactly one of the competitors takes it over. A
   * holder on another machine is always respected, because its state cannot be checked; a holder in another
   * container is respected unless the kernel reports that it has ended.
   *
   * @param busy - creates the error from the holder and advice on taking over
   */
  static async take(path: string, busy: (holder: string, advice: string) => Error): Promise<Lock> {
    await removeAbandoned(path);
    const lock = new Lock(path, thisThread());
    const holder = await lock.#claim();
    if (holder !== null) throw busy(...describeHolder(holder, path));
    return lock;
  }

  /**
   * Releases the lock, unless another holder has taken it over. Never throws, because the error would hide an error of
   * the work under the lock. A file that cannot be removed is no longer locked and counts as stale.
   */
  async release(): Promise<void> {
    try {
      if (await this.isHeld()) await rm(this.path, { force: true });
    } catch {
      // the folder was made read-only, or its disk is gone
    } finally {
      this.#close();
    }
  }

  /**
   * The descriptor of the locked file; null once released. If a program inherits it, the lock remains held until that
   * program ends, even if this process is killed.
   */
  get descriptor(): number | null {
    return this.#descriptor;
  }

  /** Whether the lock file still belongs to this holder. */
  async isHeld(): Promise<boolean> {
    return (await readLockFile(this.path))?.text === this.#text;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release();
  }

  /**
   * Checks that the lock is still held: the file may have been deleted, and another program may have acquired the lock.
   * If the file is missing, acquires it again.
   *
   * @returns the new holder; null if the lock is still held or was acquired again
   */
  async reacquire(): Promise<string | null> {
    if (await this.isHeld()) return null;
    const holder = await this.#claim();
    return holder === null ? null : describeHolder(holder, this.path)[0];
  }

  /** Tries to acquire the lock. Returns the other holder; null if this lock is now held. */
  async #claim(): Promise<Active | null> {
    const temporary = `${this.path}.${crypto.randomUUID()}`;
    let isMine = false;
    try {
      await naming(this.path, this.#write(temporary));
      const other = await naming(this.path, this.#compete(temporary));
      isMine = other === null;
      return other;
    } finally {
      if (!isMine) this.#close();
      await rm(temporary, { force: true }).catch(() => {}); // an error here would hide the first one
    }
  }

  async #compete(temporary: string): Promise<Active | null> {
    for (let polls = 1; ; polls++) {
      if (await this.#tryLink(temporary)) return null;
      const found = await readLockFile(this.path);
      if (found === null) continue;
      if (found.holder === null && polls < maxEmptyPolls) {
        await sleep(pauseMs);
        continue;
      }
      const active = activeHolder(found);
      if (active !== null) return active;
      // Only the holder of this second lock may replace the stale file.
      const right = new Lock(`${this.path}.next`, this.#holder);
      const competitor = await right.#claim();
      if (competitor === null && (await replaces(temporary, this.path, found.text, right))) return null;
      if (competitor !== null && polls >= maxPolls) return competitor;
      await sleep(pauseMs);
    }
  }

  /** Links the file to the path of the lock. Returns false if that path exists. */
  async #tryLink(temporary: string): Promise<boolean> {
    try {
      await link(temporary, this.path).catch(async (error: NodeJS.ErrnoException) => {
        if (error.code === 'EEXIST' || error.code === 'ENOENT') throw error;
        await this.#write(this.path); // not every file system supports links
      });
      return true;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
      throw error;
    }
  }

  /** Creates a lock file, and locks it before the holder is written to it. */
  async #write(file: string): Promise<void> {
    const descriptor = openSync(file, 'wx');
    this.#close();
    this.#descriptor = descriptor;
    try {
      const locked = lockFile(descriptor, true);
      this.#text = JSON.stringify({ ...this.#holder, ...(locked && { locked }) });
      writeSync(descriptor, this.#text);
    } catch (error) {
      rmSync(file, { force: true });
      throw error;
    }
  }

  #close(): void {
    if (this.#descriptor === null) return;
    unlockFile(this.#descriptor);
    closeSync(this.#descriptor);
    this.#descriptor = null;
  }
}

/** Returns the holder of a lock and advice on taking it over; null if the lock is free. */
export async function lockHolder(path: string): Promise<{ holder: string; advice: string } | null> {
  const found = await readLockFile(path);
  const active = found === null ? null : activeHolder(found);
  if (active === null) return null;
  const [holder, advice] = describeHolder(active, path);
  return { holder, advice };
}

/** A holder that must be respected. */
type Active = Holder & Pick<Found, 'isLocked' | 'writtenMs'>;

/**
 * Returns the holder that must be respected, if any. For a damaged file, the kernel reports whether it is locked, but
 * not by which process.
 */
function activeHolder(found: Found): Active | null {
  const { holder, isLocked, writtenMs } = found;
  if (holder === null)
    return isLocked === true ? { pid: unknownPid, host: hostname(), isLocked, writtenMs } : null;
  return isActive(holder, found) ? { ...holder, isLocked, writtenMs } : null;
}

const unknownPid = 0;

function describeHolder(holder: Active, path: string): [holder: string, advice: string] {
  const { pid, host, isLocked, writtenMs } = holder;
  const [here, file] = [thisPlace(), resolve(path)];
  if (pid === unknownPid) return ['a process', `The file ${file} is damaged. Wait until the process ends.`];
  const isHere = isOnThisKernel(holder, here, writtenMs);
  if (isHere && !isInOtherSpace(holder, here)) {
    if (pid !== process.pid) {
      const reuse = `If process ${pid} is now another program (its ID was reused), delete ${file}.`;
      return [`process ${pid}`, `Wait until it ends. ${reuse}`];
    }
    const isSure = isLocked === true || holder.began !== undefined;
    const left = isSure ? '' : ` If an earlier process with the same ID left ${file}, delete it.`;
    return ['another call in this process', `Wait until it ends.${left}`];
  }
  const where = isHere
    ? `in another container on ${host}`
    : host === here.host
      ? `on another machine named ${host}`
      : `on the host ${host}`;
  const advice =
    isLocked === true
      ? `${file} is still locked, so the process is running. Wait until it finishes, or end it.`
      : `Whether it is still running cannot be checked from here. If it has ended, delete ${file} to take over. It has ended if its container or machine has been stopped since the process created this file, even if that container or machine was restarted under another name.`;
  return [`process ${pid} ${where}`, advice];
}

/** Replaces a stale lock file if it still exists, and releases `right`, the lock that permits the replacement. */
async function replaces(file: string, path: string, dead: string, right: Lock): Promise<boolean> {
  try {
    if ((await readLockFile(path))?.text !== dead) return false;
    await rename(file, path);
    return true;
  } finally {
    await right.release();
  }
}

/** A lock file without a holder counts as abandoned at this age: writing the holder never takes this long. */
const abandonedAfterMs = 60_000;

/**
 * Removes the temporary files of processes that were killed while they acquired the lock. Only the process that created
 * such a file uses it, so the file is safe to remove once the process has ended.
 */
async function removeAbandoned(path: string): Promise<void> {
  const folder = dirname(path);
  const names = await readdir(folder).catch(() => []); // acquiring the lock reports the problem
  for (const name of names.filter((each) => isTemporary(each, basename(path)))) {
    const file = join(folder, name);
    if (await isAbandoned(file)) await rm(file, { force: true }).catch(() => {});
  }
}

/** Whether a lock file or a temporary lock file no longer has an owner; false for a missing file and for a link. */
export async function isAbandoned(file: string): Promise<boolean> {
  const found = await readLockFile(file).catch(() => null);
  if (found === null) return false;
  if (found.holder !== null) return !isActive(found.holder, found);
  return found.isLocked !== true && (await isOld(file));
}

/** Whether a name is that of a lock file, or of a file that is created next to it while the lock is acquired. */
export function isLockName(name: string, lock: string): boolean {
  const rest = name.slice(lock.length);
  return name.startsWith(lock) && (/^(\.next)*$/.test(rest) || temporarySuffix.test(rest));
}

function isTemporary(name: string, lock: string): boolean {
  return name.startsWith(`${lock}.`) && temporarySuffix.test(name.slice(lock.length));
}

const temporarySuffix = /^(\.next)*\.[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/;

async function isOld(file: string): Promise<boolean> {
  return Date.now() - ((await stat(file).catch(() => null))?.mtimeMs ?? Infinity) > abandonedAfterMs;
}

/** Reads a lock file and asks the kernel whether it is locked; null if it does not exist. */
async function readLockFile(path: string): Promise<Found | null> {
  let file: Awaited<ReturnType<typeof openInside>>;
  try {
    file = await openInside(path); // not a plain open, which would block on a named pipe
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw error;
  }
  try {
    const bytes = Buffer.alloc(mostText + 1);
    const { bytesRead } = await naming(path, file.read(bytes, 0, bytes.length, 0));
    const text = bytes.toString('utf8', 0, bytesRead);
    // A shared lock, so that two simultaneous checks do not mistake each other for the holder.
    const isFree = lockFile(file.fd, false);
    const holder = bytesRead > mostText ? null : parseHolder(text);
    const { mtimeMs: writtenMs } = await file.stat();
    return { text, holder, isLocked: isFree === null ? null : !isFree, writtenMs };
  } finally {
    await file.close();
  }
}

/**
 * Locks a file without waiting; see `Core.lockFile`. Returns null if there is no native core, for example during
 * `horoball setup`.
 */
function lockFile(descriptor: number, exclusive: boolean): boolean | null {
  try {
    return nativeCore().lockFile(descriptor, exclusive);
  } catch {
    return null;
  }
}

function unlockFile(descriptor: number): void {
  try {
    nativeCore().unlockFile(descriptor);
  } catch {
    // without the core, nothing was locked
  }
}

/** Whether a holder must be respected: it is running, or its state is unknown. */
function isActive(holder: Holder, { isLocked, writtenMs }: Found): boolean {
  if (isLocked === true) return true;
  const here = thisPlace();
  if (!isOnThisKernel(holder, here, writtenMs)) return true;
  const isElsewhere = isInOtherSpace(holder, here);
  if (differ(holder.boot, here.boot)) return isElsewhere;
  // A restarted container has another pid namespace, in which the pid of the previous holder means nothing, and often
  // another host name. That the kernel no longer locks the file shows that this holder has ended.
  if (holder.locked === true && isLocked === false) return false;
  return isElsewhere || isRunning(holder);
}
