import { lstat, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { coded } from '../../errors.ts';
import { forTrainingCharts } from '../report/run/compare.ts';
import { runHolder } from '../run/lock.ts';
import { readRun } from '../run/read.ts';
import { type RunRecord, type StepRow, stepsOf } from '../run/record.ts';

/** A run that was found in a folder of runs. */
export interface ListedRun {
  /** Path of the run folder relative to the folder of runs, with `/` as separator. */
  readonly path: string;
  /** Modification time of the log, or of the configuration if there is no log, in milliseconds since 1970. */
  readonly changed: number;
  /** Size of the log in bytes; 0 without a log. */
  readonly size: number;
  /** A text that changes whenever one of the files that {@link RunsFolder.read} reads changes. */
  readonly version: string;
}

/** A run as it was last read; `trouble` is the reason if it cannot be read. */
export interface ShownRun extends ListedRun {
  /** The part of the run that the charts need: whole records of hundreds of long runs would not fit into memory. */
  readonly record: RunRecord | null;
  readonly lastStep: StepRow | null;
  readonly trouble: string | null;
  /** Whether a process is training in the run folder. */
  readonly training: boolean;
}

/** Depth of the search, enough for `<folder>/<reproduction>/<study>/runs/<run>`. */
const depth = 4;

/**
 * Minimum time between two reads of a run, per byte of its log above a megabyte: ten times the duration of a read, which
 * takes 6 s for 200,000 steps. Pages request a run that is training every two seconds.
 */
const pauseMsPerByte = 2e-3;

/** A run and the time in milliseconds from which it is read again if it has changed. */
interface KnownRun {
  readonly run: ShownRun;
  readonly freshUntil: number;
}

/** The runs in a folder, and in its studies. Only runs that have changed are read again. */
export class RunsFolder {
  readonly path: string;
  readonly #known = new Map<string, KnownRun>();
  /** The reads of whole records that have not finished, by path. */
  readonly #records = new Map<string, Promise<RunRecord>>();
  /** The last read in the queue; see {@link RunsFolder.readRecord}. */
  #last: Promise<unknown> = Promise.resolve();
  readonly #now: () => number;

  private constructor(path: string, now: () => number) {
    this.path = path;
    this.#now = now;
  }

  /**
   * Opens a folder of runs.
   * @param now - returns the time in milliseconds
   * @throws `ERR_HOROBALL_RUN` if the path is not a folder
   */
  static async open(path: string, now: () => number = () => performance.now()): Promise<RunsFolder> {
    const found = await stat(path).catch(() => null);
    if (!found?.isDirectory()) {
      const [problem, fix] = found
        ? ['is not a folder', 'Pass']
        : ['does not exist', 'Start a run first (npx horoball start), or pass'];
      const message = `[dashboard] folder: expected a folder of runs, got ${path}, which ${problem}. ${fix} the folder that contains your runs.`;
      throw coded('ERR_HOROBALL_RUN', message);
    }
    return new RunsFolder(path, now);
  }

  /** Lists all runs, the most recently changed first. */
  async list(): Promise<ListedRun[]> {
    const runs: ListedRun[] = [];
    await this.#search('', depth, runs);
    return runs.sort((a, b) => b.changed - a.changed || (a.path < b.path ? -1 : 1));
  }

  async #search(below: string, levels: number, runs: ListedRun[]): Promise<void> {
    // A folder that was removed or cannot be read has no runs.
    const entries = await readdir(join(this.path, below), { withFileTypes: true }).catch(() => []);
    for (const entry of entries) {
      if (!entry.isDirectory()) continue; // links are skipped too, because they could form a cycle
      const path = below === '' ? entry.name : `${below}/${entry.name}`;
      const config = await lstat(join(this.path, path, 'config.json')).catch(() => null);
      if (config === null) {
        if (levels > 1) await this.#search(path, levels - 1, runs);
        continue;
      }
      const at = (name: string) => lstat(join(this.path, path, name)).catch(() => null);
      const [log, snapshot] = [await at('metrics.jsonl'), await at('snapshot.json')];
      const files = [config, log, snapshot].map((file) => file && [file.ino, file.size, file.mtimeMs]);
      const version = JSON.stringify(files);
      runs.push({ path, changed: (log ?? config).mtimeMs, size: log?.size ?? 0, version });
    }
  }

  /** Returns a listed run, and reads it again only if it has changed. A long run is not read again for some time. */
  async read(listed: ListedRun): Promise<ShownRun> {
    const training = (await runHolder(join(this.path, listed.path)).catch(() => null)) !== null;
    const known = this.#upToDate(listed) ?? (await this.#queued(() => this.#readAgain(listed)));
    return { ...known, changed: listed.changed, training };
  }

  /**
   * Reads the whole record of a listed run. Runs are read one after another, because a log takes many times its size in
   * memory; concurrent calls for the same run share a read.
   */
  async readRecord({ path }: ListedRun): Promise<RunRecord> {
    const reading =
      this.#records.get(path) ??
      this.#queued(() => readRun(join(this.path, path))).finally(() => this.#records.delete(path));
    this.#records.set(path, reading);
    return await reading;
  }

  #upToDate({ path, version, size }: ListedRun): ShownRun | null {
    const known = this.#known.get(path);
    if (known === undefined) return null;
    const { run, freshUntil } = known;
    // A log that has become shorter belongs to another run.
    const isRecent = this.#now() < freshUntil && size >= run.size;
    return run.version === version || isRecent ? run : null;
  }

  async #readAgain(listed: ListedRun): Promise<ShownRun> {
    const known = this.#upToDate(listed); // another call may have read it while this one was queued
    if (known !== null) return known;
    const run = await readRun(join(this.path, listed.path)).then(
      (record): ShownRun => {
        const lastStep = stepsOf(record.rows).at(-1) ?? null;
        return { ...listed, record: forTrainingCharts(record), lastStep, trouble: null, training: false };
      },
      (error: Error): ShownRun => {
        return { ...listed, record: null, lastStep: null, trouble: error.message, training: false };
      },
    );
    this.#known.set(listed.path, {
      run,
      freshUntil: this.#now() + pauseMsPerByte * Math.max(0, listed.size - 2 ** 20),
    });
    return run;
  }

  #queued<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work);
    this.#last = result.catch(() => {});
    return result;
  }
}
