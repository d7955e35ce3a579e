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

/** Depth of the search, enough for `<folder>/<study>/runs/<run>`. */
const depth = 3;

/** The runs in a folder, and in its studies. Only runs that have changed are read again. */
export class RunsFolder {
  readonly path: string;
  readonly #read = new Map<string, ShownRun>();

  private constructor(path: string) {
    this.path = path;
  }

  /**
   * Opens a folder of runs.
   * @throws `ERR_HOROBALL_RUN` if the path is not a folder
   */
  static async open(path: string): Promise<RunsFolder> {
    const found = await stat(path).catch(() => null);
    if (!found?.isDirectory()) {
      const [problem, fix] = found
        ? ['is not a folder', 'Pass']
        : ['does not exist', 'Start a run first (npx horoball start), or pass'];
      const message = `[dashboard] folder: expected a folder of runs, got ${path}, which ${problem}. ${fix} the folder that contains your runs.`;
      throw coded('ERR_HOROBALL_RUN', message);
    }
    return new RunsFolder(path);
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

  /** Returns a listed run, and reads it again only if it has changed. */
  async read(listed: ListedRun): Promise<ShownRun> {
    const folder = join(this.path, listed.path);
    const training = (await runHolder(folder).catch(() => null)) !== null;
    const known = this.#read.get(listed.path);
    if (known?.version === listed.version) return { ...known, training };
    const shown = await readRun(folder).then(
      (record): ShownRun => {
        const lastStep = stepsOf(record.rows).at(-1) ?? null;
        return { ...listed, record: forTrainingCharts(record), lastStep, trouble: null, training };
      },
      (error: Error): ShownRun => {
        return { ...listed, record: null, lastStep: null, trouble: error.message, training };
      },
    );
    this.#read.set(listed.path, shown);
    return shown;
  }
}
