import { open, readFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { coded } from '../../errors.ts';
import { ensureFolder } from '../../io/folder.ts';
import { parsedJson } from '../../io/json.ts';
import { dropLock, takeLock } from '../../io/lock.ts';
import { naming } from '../../io/trouble.ts';
import { studyPage } from '../report/study.ts';
import { writeText } from '../run-folder.ts';
import type { Plan } from './plan.ts';
import type { Result, Study } from './results.ts';
import { studyCsv } from './table.ts';

/**
 * The folder of a study: sweep.json (the plan), results.jsonl (a line a run), results.csv, report.html and the run
 * folders in runs/. Nothing in it refers to where it lies, so it can be moved.
 */
export class StudyFolder {
  readonly path: string;
  readonly plan: Plan;
  #results: Result[];

  private constructor(path: string, { plan, results }: Study) {
    this.path = path;
    this.plan = plan;
    this.#results = results;
  }

  /**
   * Makes the folder of a study, or opens it where the same study was begun there before; it may be running.
   * @throws `ERR_HOROBALL_SWEEP_EXISTS` where the folder holds another study
   */
  static async open(path: string, plan: Plan): Promise<StudyFolder> {
    await ensureFolder(join(path, 'runs'));
    const before = await readStudy(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ERR_HOROBALL_SWEEP') return null;
      throw error;
    });
    if (before !== null && JSON.stringify(before.plan) !== JSON.stringify(plan)) {
      const message = `[sweep] out: ${path} holds a study with other settings; choose another --out, or --resume ${path} to go on with it`;
      throw coded('ERR_HOROBALL_SWEEP_EXISTS', message);
    }
    const folder = new StudyFolder(resolve(path), before ?? { name: '', plan, results: [] });
    if (before === null) await writeText(join(path, 'sweep.json'), `${JSON.stringify(plan, null, 1)}\n`);
    return folder;
  }

  get results(): readonly Result[] {
    return this.#results;
  }

  /** Where the run folders go. */
  get runs(): string {
    return join(this.path, 'runs');
  }

  /** Adds a result; it is on the disk when this resolves. */
  async add(result: Result): Promise<void> {
    const path = join(this.path, 'results.jsonl');
    const file = await open(path, 'a');
    try {
      await naming(path, file.appendFile(line(result)));
      await naming(path, file.datasync());
    } finally {
      await file.close();
    }
    this.#results.push(result);
  }

  /** Draws results.csv and report.html from what is there so far. @returns the report's path */
  async report(): Promise<string> {
    return await writeStudyReport(this.path);
  }

  /**
   * Keeps a second process out, whose runs would meet those of this one, and takes in what others have added meanwhile.
   * @throws `ERR_HOROBALL_SWEEP_RUNNING`
   */
  async lock(): Promise<AsyncDisposable> {
    const path = join(this.path, 'lock');
    const holder = await takeLock(path, true);
    if (holder !== null) {
      throw coded(
        'ERR_HOROBALL_SWEEP_RUNNING',
        `[sweep] ${this.path} is being worked on by process ${holder}`,
      );
    }
    const free = (): Promise<void> => dropLock(path);
    try {
      this.#results = (await readStudy(this.path)).results;
      // Written anew, so that a line that a kill cut short does not spoil the next.
      await writeText(join(this.path, 'results.jsonl'), this.#results.map(line).join(''));
    } catch (error) {
      await free();
      throw error;
    }
    return { [Symbol.asyncDispose]: free };
  }
}

/** Draws a study's table and report from its files. @returns the report's path */
export async function writeStudyReport(path: string): Promise<string> {
  const study = await readStudy(path);
  await writeText(join(path, 'results.csv'), studyCsv(study));
  const file = join(path, 'report.html');
  await writeText(file, studyPage(study));
  return file;
}

/** Reads a study. @throws `ERR_HOROBALL_SWEEP` where there is none */
export async function readStudy(path: string): Promise<Study> {
  const file = join(path, 'sweep.json');
  const plan = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT' && error.code !== 'ENOTDIR') throw error;
    throw coded('ERR_HOROBALL_SWEEP', `[sweep] ${path} is no study: it has no sweep.json`);
  });
  const lines = await readFile(join(path, 'results.jsonl'), 'utf8').catch(() => '');
  const name = resolve(path).split(/[\\/]/).at(-1)!;
  return { name, plan: parsedJson(plan, file) as Plan, results: lines.split('\n').flatMap(parsed) };
}

const line = (result: Result): string => `${JSON.stringify(result)}\n`;

/** The last line may be cut short where a study was killed. */
function parsed(text: string): Result[] {
  try {
    return text === '' ? [] : [JSON.parse(text) as Result];
  } catch {
    return [];
  }
}
