import { copyFile, link, mkdir, readdir, rename, rm, rmdir, stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { crc32 } from 'node:zlib';
import { coded } from '../../errors.ts';
import { largest } from '../../integers.ts';
import { removeTemporaries, replacedBy } from '../../io/atomic.ts';
import { naming } from '../../io/file-errors.ts';
import { ensureFolder } from '../../io/folder.ts';
import { refersTo } from '../../io/inside.ts';
import { jsonWithChecksum } from '../../io/json-checksum.ts';
import type { Lock } from '../../io/lock.ts';
import { writeText } from '../../io/text.ts';
import type { OpenFile } from '../../io/thread-file.ts';
import type { Snapshot } from '../measure/types.ts';
import type { RunConfig } from '../options/options.ts';
import { bestName, type Checkpoint, lastName, type Position } from './checkpoint.ts';
import type { Learner } from './learner.ts';
import { checkHeld, isRunLock, lockRun, lostLock, runHolder } from './lock.ts';
import { identityOf, type LogState, openLog, rewindLog } from './metrics-log.ts';
import type { Row } from './record.ts';
import { saveTrained, type TrainedAt } from './trained-weights.ts';

const logName = 'metrics.jsonl';
/** Files whose leftover temporary files a resumed run removes, because only the holder of the lock writes them. */
const ownFiles = ['config.json', 'snapshot.json', lastName, 'model.safetensors'];

/** The new best checkpoint until it is renamed. */
const bestTemporary = `.${bestName}.tmp`;

const movedAdvice = 'If you moved the folder, resume the run with: npx horoball train --resume NEW_FOLDER';

/** Stores the results of a run. */
export interface RunStore extends AsyncDisposable {
  /** Path and name of the run folder; null if nothing is stored. */
  readonly folder: string | null;
  readonly name: string | null;
  /** Appends a row to the log. Rows are written in order, in the background; `flush` waits for them. */
  append(row: Row): void;
  /** Whether the log of a resumed run was modified after its checkpoint was written. */
  readonly changedLog: boolean;
  /** Waits until all rows are written, and checks that the log was not moved, deleted or replaced; throws the first error. */
  flush(): Promise<void>;
  /**
   * Checks that the folder still belongs to this run. Call before writing any file except the log, because the other files
   * are opened by path.
   * @throws `ERR_HOROBALL_RUN_BUSY` if it was moved or deleted, or another run took it over
   */
  check(): Promise<void>;
  /** Writes the data that the report draws. */
  snapshot(snapshot: Snapshot): Promise<void>;
  /**
   * Writes all rows, then a checkpoint, which also becomes the best one if its step has the best evaluation.
   * @param capture - creates the checkpoint from the state of the log
   * @throws `ERR_HOROBALL_RUN_BUSY` as {@link RunStore.check}, or if another process wrote to the log
   */
  checkpoint(capture: (log: LogState) => Promise<Checkpoint>): Promise<void>;
  /** Writes the network at a position, with its learnable temperatures, as model.safetensors. */
  weights(learner: Learner, config: RunConfig, at: TrainedAt): Promise<void>;
  /**
   * Closes the store and removes the run folder, unless another run took it over. Never throws, because the error would hide
   * that of the run: a mount point, for example, cannot be removed.
   */
  remove(): Promise<void>;
}

/** A store that discards everything. */
export const nullStore: RunStore = {
  folder: null,
  name: null,
  changedLog: false,
  append: () => {},
  flush: async () => {},
  check: async () => {},
  snapshot: async () => {},
  checkpoint: async () => {},
  weights: async () => {},
  remove: async () => {},
  [Symbol.asyncDispose]: async () => {},
};

/**
 * Creates a run folder, or the null store if `runs` is null.
 *
 * @throws `ERR_HOROBALL_RUN_EXISTS` if the folder `name` already has results; see `isUnused`
 */
export async function createStore(config: RunConfig): Promise<RunStore> {
  const { runs } = config;
  return runs === null ? nullStore : await DiskStore.create({ ...config, runs });
}

/**
 * A run folder, `runs/<name>/`, with config.json, metrics.jsonl (one line per step, health check and evaluation),
 * last.safetensors and best.safetensors (checkpoints), model.safetensors and snapshot.json (data for the report). The
 * listeners add report.html and TensorBoard's event files. Nothing in the folder refers to its own location, so it can be
 * moved.
 */
export class DiskStore implements RunStore {
  readonly folder: string;
  readonly name: string;
  readonly #lock: Lock;
  /** Stays open, so that rows never go to the log of another run that takes over the folder's name. */
  readonly #log: OpenFile;
  #queue: Promise<void> = Promise.resolve();
  #bytes = 0;
  #crc = 0;
  #changedLog = false;

  private constructor(folder: string, name: string, lock: Lock, log: OpenFile) {
    this.folder = folder;
    this.name = name;
    this.#lock = lock;
    this.#log = log;
  }

  /**
   * Creates the folder of a new run; if its first files cannot be written, the folder is removed.
   * @throws `ERR_HOROBALL_RUN_EXISTS` if the folder `config.name` already has results; see `isUnused`
   */
  static async create(config: RunConfig & { runs: string }): Promise<DiskStore> {
    await ensureFolder(config.runs);
    const name = await makeRunFolder(config);
    const folder = resolve(config.runs, name);
    const lock = await lockRun(folder).catch(async (error) => {
      await rmdir(folder).catch(() => {}); // fails if the folder is not empty
      throw error;
    });
    if (!(await isUnused(folder))) {
      await lock.release();
      throw existing(folder);
    }
    const store = await DiskStore.#open(folder, name, lock).catch(async (error) => {
      await rmdir(folder).catch(() => {}); // fails if the folder is not empty
      throw error;
    });
    try {
      await store.#writeConfig(config);
      return store;
    } catch (error) {
      await store.remove();
      throw error;
    }
  }

  static async #open(folder: string, name: string, lock: Lock): Promise<DiskStore> {
    try {
      return new DiskStore(folder, name, lock, await openLog(join(folder, 'metrics.jsonl')));
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  /** Performs the initial work of an open store, and closes the store if it fails. */
  async #begin(work: () => Promise<void>): Promise<this> {
    try {
      await work();
      return this;
    } catch (error) {
      await this[Symbol.asyncDispose]();
      throw error;
    }
  }

  /**
   * Opens the folder of a resumed run and discards rows logged after its checkpoint.
   * @param lock - lock of this folder, acquired before the checkpoint was read, so that no other run can write a newer one
   * @param position - position of the checkpoint; null without a checkpoint
   * @throws `ERR_HOROBALL_CHECKPOINT` if metrics.jsonl is not the log of that checkpoint; `ERR_HOROBALL_RUN_BUSY` if the lock
   * was lost
   */
  static async reopen(
    path: string,
    lock: Lock,
    config: RunConfig,
    position: Position | null,
  ): Promise<DiskStore> {
    const folder = resolve(path);
    await checkHeld(folder, lock); // weights and data may have been loaded for minutes
    const { metricsBytes, metricsCrc32 } = await rewindLog(join(folder, 'metrics.jsonl'), position);
    const store = await DiskStore.#open(folder, basename(folder), lock);
    return await store.#begin(async () => {
      await store.#writeConfig(config);
      await removeTemporaries(folder, ownFiles); // others, such as report.html, may be written by other commands
      await rm(store.file(bestTemporary), { force: true });
      if (position === null) await rm(store.file('snapshot.json'), { force: true }); // of the log that was discarded
      store.#bytes = metricsBytes;
      store.#crc = metricsCrc32;
      store.#changedLog = metricsCrc32 !== (position?.metricsCrc32 ?? metricsCrc32);
      // The process may have been killed between writing the last checkpoint and linking it.
      if (position !== null && isBest(position) && config.save_every !== null) await store.#linkBest();
    });
  }

  append(row: Row): void {
    const line = `${jsonWithChecksum(row)}\n`;
    this.#bytes += Buffer.byteLength(line);
    this.#crc = crc32(line, this.#crc);
    this.#queue = this.#queue.then(() => naming(this.file('metrics.jsonl'), this.#log.appendFile(line)));
    this.#queue.catch(() => {}); // `flush` reports it
  }

  async flush(): Promise<void> {
    await this.#queue;
    await this.#checkFolder();
  }

  /** Checks that the path still refers to the open log, because the folder may have been replaced. */
  async #checkFolder(): Promise<void> {
    if (await refersTo(this.file('metrics.jsonl'), this.#log)) return;
    const isThere = await stat(this.folder).then(
      (found) => found.isDirectory(),
      () => false,
    );
    throw isThere
      ? lostLock(
          this.folder,
          'its metrics.jsonl was moved, deleted or replaced',
          `If you moved the file, move it back and resume the run. ${movedAdvice}`,
        )
      : lostLock(this.folder, 'it was moved or deleted', movedAdvice);
  }

  async snapshot(snapshot: Snapshot): Promise<void> {
    await this.check();
    await this.flush(); // the identity is in the log
    const log = await identityOf(this.#log);
    const text = jsonWithChecksum({ ...snapshot, ...(log !== null && { log }) });
    await writeText(this.file('snapshot.json'), text);
  }

  get changedLog(): boolean {
    return this.#changedLog;
  }

  async checkpoint(capture: (log: LogState) => Promise<Checkpoint>): Promise<void> {
    await this.#sync();
    const checkpoint = await capture({ metricsBytes: this.#bytes, metricsCrc32: this.#crc });
    await checkpoint.write(this.file(lastName));
    if (isBest(checkpoint.position)) await this.#linkBest();
  }

  async weights(learner: Learner, config: RunConfig, at: TrainedAt): Promise<void> {
    await this.check();
    await saveTrained(this.file('model.safetensors'), learner, config, at);
  }

  async remove(): Promise<void> {
    await this.flush().catch(() => {});
    const isOwn = await this.check().then(
      () => true,
      () => false,
    );
    await this.#log.close().catch(() => {});
    if (isOwn) await this.#removeFiles().catch(() => {});
    await this.#lock.release();
    if (isOwn) await rmdir(this.folder).catch(() => {}); // fails if the folder is not empty or cannot be removed
  }

  /** Removes all files except the lock, which is held until then, so that the files of the next run of this name are kept. */
  async #removeFiles(): Promise<void> {
    for (const name of await readdir(this.folder))
      if (!isRunLock(name)) await rm(this.file(name), { recursive: true, force: true });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.#log.close();
    } finally {
      await this.#lock.release();
    }
  }

  file(name: string): string {
    return join(this.folder, name);
  }

  /** Waits until all rows are on disk, and checks that no other process wrote to the log. */
  async #sync(): Promise<void> {
    await this.check();
    await this.flush();
    const { size } = await this.#log.stat();
    if (size !== this.#bytes)
      throw lostLock(this.folder, `metrics.jsonl has ${size} bytes, of which this run wrote ${this.#bytes}`);
    await naming(this.file('metrics.jsonl'), this.#log.datasync());
  }

  /**
   * Throws if the folder was moved or deleted, or another run took it over: files other than the log are written by
   * path, so they could overwrite the files of that run.
   */
  async check(): Promise<void> {
    await this.#checkFolder().catch(async (error) => {
      const other = (await this.#lock.isHeld().catch(() => true)) ? null : await runHolder(this.folder);
      throw other === null ? error : lostLock(this.folder, `${other.holder} is using it now`);
    });
    // Must follow the check of the folder, because `reacquire` acquires a missing lock again.
    const other = await this.#lock.reacquire();
    if (other !== null) throw lostLock(this.folder, `${other} is using it now`);
  }

  /** Replaces the best checkpoint with a hard link to the last one; the link stays valid when the last one is replaced. */
  async #linkBest(): Promise<void> {
    const [last, temporary] = [this.file(lastName), this.file(bestTemporary)];
    await rm(temporary, { force: true });
    try {
      await link(last, temporary).catch(() => copyFile(last, temporary)); // some file systems do not support links
      await rename(temporary, this.file(bestName));
    } finally {
      await rm(temporary, { force: true }); // `rename` does nothing if both are links to the same file
    }
  }

  async #writeConfig(config: RunConfig): Promise<void> {
    const text = JSON.stringify({ ...config, name: this.name }, null, 2);
    await writeText(this.file('config.json'), `${text}\n`);
  }
}

function isBest({ step, best }: Position): boolean {
  return best?.step === step;
}

/**
 * Creates a new folder, or accepts an unused one of the given name; returns its name. mkdir is atomic, so runs that start at
 * the same time use different folders.
 */
async function makeRunFolder({ runs, name, ds, geometry }: RunConfig & { runs: string }): Promise<string> {
  if (name !== null) {
    const folder = join(runs, name);
    if ((await createFolder(folder)) || (await isUnused(folder))) return name;
    throw existing(folder);
  }
  const stem = `${ds}-${geometry}-`;
  const taken = (await readdir(runs))
    .filter((entry) => entry.startsWith(stem))
    .map((entry) => entry.slice(stem.length))
    .filter((rest) => /^\d{1,9}$/.test(rest)) // longer numbers are names that a user chose
    .map(Number);
  for (let number = largest(taken, 0) + 1; ; number++) {
    if (await createFolder(join(runs, stem + number))) return stem + number;
  }
}

/** Whether a folder has no results: it is new, or its run was killed before it wrote config.json. */
async function isUnused(folder: string): Promise<boolean> {
  const entries = await readdir(folder).catch(() => null);
  if (entries === null) return false; // not a folder
  const isInitial = (entry: string): boolean =>
    entry === logName || isRunLock(entry) || replacedBy(entry) === 'config.json';
  return (
    entries.every(isInitial) && (!entries.includes(logName) || (await stat(join(folder, logName))).size === 0)
  );
}

function existing(folder: string): Error {
  const message = `[train] name: expected a new run folder, got ${folder}, which exists. Choose another --name.`;
  return coded('ERR_HOROBALL_RUN_EXISTS', message);
}

async function createFolder(path: string): Promise<boolean> {
  try {
    await mkdir(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}
