import { appendFile, mkdir, open, readdir, readFile, rm, stat, truncate } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { coded } from '../errors.ts';
import { writeAll, writeAtomically } from '../io/atomic.ts';
import { ensureFolder } from '../io/folder.ts';
import { damaged, parsedJson } from '../io/json.ts';
import { naming } from '../io/trouble.ts';
import { claimRun, releaseRun } from './claim.ts';
import { parseConfig, type RunConfig } from './config.ts';
import { RunEvents } from './events.ts';
import type { Row, RunRecord, Snapshot } from './record.ts';
import { runPage } from './report/page.ts';

/**
 * `runs/<name>/`: config.json, metrics.jsonl (a line a step, an epoch's health and an evaluation), last.safetensors and
 * best.safetensors (checkpoints), model.safetensors, snapshot.json (what the drawings need), report.html and
 * TensorBoard's event files. Nothing in it refers to where it lies, so it can be moved.
 */
export class RunFolder {
  readonly path: string;
  readonly name: string;
  #queue: Promise<void> = Promise.resolve();
  #bytes = 0;
  /** Opened with the first line. */
  #events: RunEvents | null = null;

  private constructor(path: string, name: string) {
    this.path = path;
    this.name = name;
  }

  /**
   * Makes the folder of a new run.
   * @throws {Error} `ERR_HOROBALL_RUN_EXISTS` where `config.name` is taken already.
   */
  static async create(config: RunConfig & { runs: string }): Promise<RunFolder> {
    await ensureFolder(config.runs);
    const name = await makeFolder(config);
    const folder = new RunFolder(resolve(config.runs, name), name);
    await claimRun(folder.path);
    await folder.#writeConfig(config);
    return folder;
  }

  /**
   * Opens the folder of a run that goes on, and takes back what was logged after its checkpoint.
   * @param metricsBytes - length of metrics.jsonl at the checkpoint; 0 without one
   * @throws {Error} `ERR_HOROBALL_RUN_BUSY` where another process trains there.
   */
  static async reopen(path: string, config: RunConfig, metricsBytes: number): Promise<RunFolder> {
    const folder = new RunFolder(resolve(path), basename(resolve(path)));
    await claimRun(folder.path);
    await folder.#writeConfig(config);
    for (const file of await readdir(folder.path)) if (/^\..*\.tmp$/.test(file)) await rm(folder.file(file)); // a file that was being written
    const metrics = folder.file('metrics.jsonl');
    if ((await sizeOf(metrics)) > 0) await truncate(metrics, metricsBytes);
    folder.#bytes = metricsBytes;
    return folder;
  }

  /** Adds a line to metrics.jsonl. Lines are written in order, in the background; `flush` waits for them. */
  log(row: Row): void {
    const line = `${JSON.stringify(row)}\n`;
    this.#bytes += Buffer.byteLength(line);
    this.#queue = this.#queue.then(async () => {
      const file = this.file('metrics.jsonl');
      await naming(file, appendFile(file, line));
      this.#events ??= await RunEvents.open(this.path, row.step);
      this.#events.log(row);
    });
    this.#queue.catch(() => {}); // `flush` reports it
  }

  /** Waits for all lines of the log; throws what any of them met. */
  async flush(): Promise<void> {
    await this.#queue;
    await this.#events?.flush();
  }

  /** Waits until all lines are on the disk. @returns the length of metrics.jsonl */
  async sync(): Promise<number> {
    await this.flush();
    if (this.#bytes === 0) return 0;
    const file = await open(this.file('metrics.jsonl'), 'r+');
    try {
      await file.datasync();
    } finally {
      await file.close();
    }
    return this.#bytes;
  }

  /** Writes what the drawings need. */
  async writeSnapshot(snapshot: Snapshot): Promise<void> {
    await writeText(this.file('snapshot.json'), JSON.stringify(snapshot));
    await this.flush();
    await this.#events?.draw(snapshot);
  }

  /** Writes the report. */
  async close(): Promise<void> {
    await this.flush();
    await this.#endEvents('success');
    await writeReport(this.path);
  }

  /** Keeps the log of a run that failed. */
  async fail(): Promise<void> {
    await this.flush().finally(() => this.#endEvents('failure'));
  }

  /** Lets others have the folder; the last thing to do with it. */
  async release(): Promise<void> {
    await releaseRun(this.path);
  }

  /** Takes the folder away again. */
  async remove(): Promise<void> {
    await this.fail().catch(() => {});
    await rm(this.path, { recursive: true, force: true });
  }

  file(name: string): string {
    return join(this.path, name);
  }

  async #endEvents(status: 'success' | 'failure'): Promise<void> {
    const events = this.#events;
    this.#events = null;
    await events?.end(status);
  }

  async #writeConfig(config: RunConfig): Promise<void> {
    const text = JSON.stringify({ ...config, name: this.name }, null, 2);
    await writeText(this.file('config.json'), `${text}\n`);
  }
}

async function sizeOf(path: string): Promise<number> {
  return await stat(path).then(
    ({ size }) => size,
    () => 0,
  );
}

/** Writes a file of text, whole or not at all. */
export async function writeText(path: string, text: string): Promise<void> {
  await writeAtomically(path, (file) => writeAll(file, Buffer.from(text)));
}

/** Reads what a run folder says. A folder without drawings or metrics (an interrupted run) is fine. */
export async function readRun(path: string): Promise<RunRecord> {
  const config = await readConfig(path);
  const metrics = (await readIfThere(join(path, 'metrics.jsonl'))) ?? '';
  const drawn = join(path, 'snapshot.json');
  const snapshot = await readIfThere(drawn);
  return {
    name: config.name ?? resolve(path).split(/[\\/]/).at(-1)!,
    config,
    rows: metrics.split('\n').flatMap(rowOf),
    snapshot: snapshot === null ? null : (parsedJson(snapshot, drawn) as Snapshot),
  };
}

/** Draws a run's report.html from its files. */
export async function writeReport(path: string): Promise<string> {
  const file = join(path, 'report.html');
  await writeText(file, runPage(await readRun(path)));
  return file;
}

/** A folder that nobody else has: mkdir tells, so two runs that start together do not meet. */
async function makeFolder({ runs, name, ds, geometry }: RunConfig & { runs: string }): Promise<string> {
  if (name !== null) {
    if (await made(join(runs, name))) return name;
    const message = `[train] name: the run folder ${join(runs, name)} exists already; choose another --name`;
    throw coded('ERR_HOROBALL_RUN_EXISTS', message);
  }
  const stem = `${ds}-${geometry}-`;
  const taken = (await readdir(runs))
    .filter((entry) => entry.startsWith(stem))
    .map((entry) => Number(entry.slice(stem.length)))
    .filter(Number.isInteger);
  for (let number = Math.max(0, ...taken) + 1; ; number++) {
    if (await made(join(runs, stem + number))) return stem + number;
  }
}

async function made(path: string): Promise<boolean> {
  try {
    await mkdir(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/**
 * Reads what a run was made with.
 * @throws `ERR_HOROBALL_RUN` where `path` is no run folder; `ERR_HOROBALL_FORMAT` where its config.json is damaged
 */
export async function readConfig(path: string): Promise<RunConfig> {
  const file = join(path, 'config.json');
  const text = await readIfThere(file);
  if (text === null) throw coded('ERR_HOROBALL_RUN', `${path} is no run folder: ${await whyNot(path)}`);
  const options = parsedJson(text, file);
  if (options === null || typeof options !== 'object') throw damaged(file, 'it holds no options');
  try {
    return parseConfig(options as Record<string, unknown>);
  } catch (error) {
    throw damaged(file, (error as Error).message.replace(/^\[train\] /, '')); // nobody typed these options now
  }
}

async function whyNot(path: string): Promise<string> {
  return await stat(path).then(
    (entry) => (entry.isDirectory() ? 'it has no config.json' : 'it is a file'),
    () => 'there is no such folder',
  );
}

async function readIfThere(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') return null;
    throw error;
  }
}

/** One line of metrics.jsonl; the last one may be cut short where a run was killed. */
function rowOf(line: string): Row[] {
  try {
    return line === '' ? [] : [JSON.parse(line) as Row];
  } catch {
    return [];
  }
}
