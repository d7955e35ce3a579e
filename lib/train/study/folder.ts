import { constants } from 'node:fs';
import { lstat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { crc32 } from 'node:zlib';
import { z } from 'zod';
import { runSteps } from '../../call/run.ts';
import { coded } from '../../errors.ts';
import { removeTemporaries } from '../../io/atomic.ts';
import { naming } from '../../io/file-errors.ts';
import { ensureFolder } from '../../io/folder.ts';
import { openInside, readInside, refersTo } from '../../io/inside.ts';
import { damaged, parsedJson } from '../../io/json.ts';
import {
  jsonChecksumAdvice,
  jsonWithChecksum,
  readableJson,
  withoutChecksum,
} from '../../io/json-checksum.ts';
import { Lock, lockHolder } from '../../io/lock.ts';
import { checkedBy } from '../../io/read-back.ts';
import { writeText } from '../../io/text.ts';
import type { OpenFile } from '../../io/thread-file.ts';
import { type OptionName, optionNames, unrelated } from '../options/options.ts';
import type { InvalidLines } from '../run/record.ts';
import { maxInvalid, parseLines } from '../run/run-schema.ts';
import type { StudyPlan } from './plan.ts';
import { planSchema, type Result, resultSchema, runName, type Study } from './results.ts';

/**
 * The folder of a study: sweep.json (the plan), results.jsonl (one line per run), results.csv, report.html and the run
 * folders in runs/. Nothing in it refers to its own location, so it can be moved.
 */
export class StudyFolder {
  readonly path: string;
  readonly plan: StudyPlan;
  /** The checksum of the settings of each cell, by its id; see {@link checksumsOf}. */
  readonly #settings: ReadonlyMap<string, number>;
  #results: Result[];
  #invalid: InvalidLines | null = null;
  /** Set by {@link lock}: the lock, and results.jsonl, which stays open so that no result goes to another study. */
  #held: { lock: Lock; log: OpenFile } | null = null;

  private constructor(path: string, { study: { plan, results }, known }: Files) {
    this.path = path;
    this.plan = plan;
    this.#settings = checksumsOf(plan, known);
    this.#results = results;
  }

  /**
   * Creates the folder of a study, or opens it if it already contains the same study, even if that study is running.
   * @throws `ERR_HOROBALL_SWEEP_EXISTS` if the folder contains a different study, or files that a study would replace;
   * `ERR_HOROBALL_SWEEP_RUNNING` if another process is creating one
   */
  static async open(path: string, plan: StudyPlan): Promise<StudyFolder> {
    await ensureFolder(join(path, 'runs'));
    const before = (await readIfThere(path)) ?? (await createFiles(path, plan));
    const isSame = (known: readonly OptionName[], other: StudyPlan): boolean =>
      identityOf(other, known) === identityOf(plan, known);
    if (!isSame(before.known, before.study.plan)) {
      const message = `[sweep] out: expected the same study, got ${path} with different settings. Choose another --out, or resume that study with --resume ${path}.`;
      throw coded('ERR_HOROBALL_SWEEP_EXISTS', message);
    }
    return new StudyFolder(resolve(path), before);
  }

  get results(): readonly Result[] {
    return this.#results;
  }

  /**
   * Invalid lines of results.jsonl, which {@link lock} removed, so that their runs are repeated; results.jsonl.bak has them.
   */
  get invalid(): InvalidLines | null {
    return this.#invalid;
  }

  /** The folder that contains the run folders. */
  get runs(): string {
    return join(this.path, 'runs');
  }

  /**
   * Adds a result. It is on disk when the promise resolves.
   * @throws as {@link checkHeld}
   */
  async add(result: Result): Promise<void> {
    const { log } = await this.checkHeld();
    const path = resultsOf(this.path);
    await naming(path, log.appendFile(this.#line(result)));
    await naming(path, log.datasync());
    this.#results.push(result);
  }

  /**
   * Locks the study against other processes, loads results that they have added in the meantime, and removes invalid lines
   * from results.jsonl; see {@link StudyFolder.invalid}.
   * @throws `ERR_HOROBALL_SWEEP_RUNNING` if another process holds the lock
   */
  async lock(): Promise<AsyncDisposable> {
    const lock = await lockStudy(this.path);
    try {
      await removeTemporaries(this.path, ['results.jsonl', 'sweep.json']);
      const { results, invalid = null } = await readStudy(this.path);
      [this.#results, this.#invalid] = [results, invalid];
      const path = resultsOf(this.path);
      // The invalid lines may be the only copy of the results of another study. Those of an earlier repair are kept, too.
      if (invalid !== null) {
        const [kept, removed] = [await readInside(`${path}.bak`), await readInside(path)];
        await writeText(`${path}.bak`, `${kept ?? ''}${removed ?? ''}`);
      }
      // Rewriting removes a truncated last line, to which the next result would otherwise be appended.
      await writeText(path, this.#results.map((result) => this.#line(result)).join(''));
      const log = await openInside(path, constants.O_WRONLY | constants.O_APPEND);
      this.#held = { lock, log };
      return { [Symbol.asyncDispose]: () => this.#release(lock, log) };
    } catch (error) {
      await lock.release();
      throw error;
    }
  }

  #line(result: Result): string {
    return `${jsonWithChecksum({ ...result, settings: this.#settings.get(result.cell) })}\n`;
  }

  async #release(lock: Lock, log: OpenFile): Promise<void> {
    this.#held = null;
    try {
      await log.close();
    } finally {
      await lock.release();
    }
  }

  /**
   * Checks that this object holds the lock and that its path still refers to the study. Someone may have deleted the lock,
   * or moved the folder and started another study in its place.
   * @throws `ERR_HOROBALL_SWEEP_RUNNING`
   */
  async checkHeld(): Promise<{ log: OpenFile }> {
    if (this.#held === null) throw lost(this.path, 'it is not locked');
    const { lock, log } = this.#held;
    const isSame = await refersTo(resultsOf(this.path), log);
    // Acquire a missing lock again, unless the path refers to another folder by now.
    const other = isSame ? await lock.reacquire() : ((await lockHolder(lock.path))?.holder ?? null);
    if (isSame && other === null) return { log };
    if (other !== null && !(await lock.isHeld())) throw lost(this.path, `${other} is working on it now`);
    throw lost(
      this.path,
      'its results.jsonl was moved, deleted or replaced',
      'If you moved the file or the folder, move it back. Then run the same command again; runs whose results are missing are repeated.',
    );
  }
}

const resultsOf = (path: string): string => join(path, 'results.jsonl');

const repeatAdvice =
  'The results so far are valid; run the same command again when no other process works on the study.';

function lost(path: string, why: string, advice: string = repeatAdvice): Error {
  const message = `[sweep] out: expected exclusive use of ${path}, but ${why}. ${advice}`;
  return coded('ERR_HOROBALL_SWEEP_RUNNING', message);
}

/**
 * Locks the folder of a study or of a reproduction, which contains several studies.
 * @throws `ERR_HOROBALL_SWEEP_RUNNING` if another process holds the lock
 */
export async function lockStudy(path: string): Promise<Lock> {
  return await Lock.take(join(path, 'lock'), (holder, advice) => {
    const message = `[sweep] out: expected a study that is not in use, got ${path}: ${holder} is working on it. ${advice}`;
    return coded('ERR_HOROBALL_SWEEP_RUNNING', message);
  });
}

type Files = { study: Study } & Pick<NamedPlan, 'known'>;

/** Reads a study; null if the folder does not contain one. */
async function readIfThere(path: string): Promise<Files | null> {
  return await readFiles(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ERR_HOROBALL_SWEEP') return null;
    throw error;
  });
}

/** Writes the plan under the lock, unless another process has written one in the meantime; a plan is never replaced. */
async function createFiles(path: string, plan: StudyPlan): Promise<Files> {
  await using _ = await lockStudy(path);
  const other = await readIfThere(path);
  if (other !== null) return other;
  await checkUnused(path, ['results.jsonl', 'results.csv', 'report.html'], {
    at: '[sweep] out',
    what: 'study',
    record: 'sweep.json',
  });
  await writeText(join(path, 'sweep.json'), readableJson(plan));
  return await readFiles(path);
}

/**
 * Throws if a folder without a `record` (sweep.json or reproduction.json) has one of the files `names`, which a new study or
 * reproduction writes. Such a file may belong to the user, or have results of a study whose record was deleted, which would
 * count as results of the new one.
 * @throws `ERR_HOROBALL_SWEEP_EXISTS` naming the file
 */
export async function checkUnused(
  path: string,
  names: readonly string[],
  { at, what, record }: { at: string; what: string; record: string },
): Promise<void> {
  for (const name of names) {
    const found = await lstat(join(path, name)).catch(() => null);
    if (found === null) continue;
    const message = `${at}: expected a new folder or an earlier ${what}, got ${path}, which has ${name} but no ${record}. Choose another --out, or move ${name}.`;
    throw coded('ERR_HOROBALL_SWEEP_EXISTS', message);
  }
}

/**
 * Reads a study; invalid lines of results.jsonl are skipped.
 * @throws `ERR_HOROBALL_SWEEP` if the folder does not contain a study; `ERR_HOROBALL_FORMAT` for an invalid sweep.json, or
 * for more than `maxInvalid` invalid lines
 */
export async function readStudy(path: string): Promise<Study> {
  return (await readFiles(path)).study;
}

async function readFiles(path: string): Promise<Files> {
  const file = join(path, 'sweep.json');
  const plan = await readInside(file);
  if (plan === null)
    throw coded(
      'ERR_HOROBALL_SWEEP',
      `[sweep] path: expected a study, got ${path}, which has no sweep.json. Pass a folder that horoball sweep wrote.`,
    );
  const { known, ...parsed } = parsePlan(plan, file);
  const lines = (await readInside(resultsOf(path))) ?? '';
  const name = resolve(path).split(/[\\/]/).at(-1)!;
  const { rows: results, invalid } = await runSteps('sweep', undefined, () =>
    parseLines<Result>(lines, resultOf(parsed.plan, known)),
  );
  if ((invalid?.count ?? 0) > maxInvalid)
    throw damaged(resultsOf(path), `it has more than ${maxInvalid} invalid lines (${invalid!.first})`);
  return { study: { name, ...parsed, results, ...(invalid && { invalid }) }, known };
}

/**
 * Returns a schema that accepts only planned runs, and each only once. Other results come from merged files, or from a file
 * that was copied from a study with other settings; they would change means and the number of remaining runs.
 */
function resultOf(plan: StudyPlan, known: readonly OptionName[]): z.ZodType<Result> {
  const settings = checksumsOf(plan, known);
  const planned = new Set(plan.seeds);
  const seen = new Set<string>();
  return resultSchema
    .superRefine((result, context) => {
      const { cell, seed, settings: own = settings.get(cell) } = result as StoredResult;
      const run = runName({ id: cell }, seed);
      if (!settings.has(cell) || !planned.has(seed)) context.addIssue(`the plan has no run ${run}`);
      else if (own !== settings.get(cell)) context.addIssue(`it is the result of ${run} in another study`);
      else if (seen.has(run)) context.addIssue(`it repeats the result of ${run}`);
      else seen.add(run);
    })
    .transform((result): Result => {
      const { settings: _, ...given } = result as StoredResult;
      return given;
    });
}

/** A result as results.jsonl stores it. */
interface StoredResult extends Result {
  /** The checksum of the settings of its cell; absent in results of earlier versions. */
  settings?: number;
}

/**
 * Returns a CRC-32 of the settings of each cell, by its id: an id contains only the options that a study varies. The CRC-32
 * covers the `known` options that affect results, because sweep.json of an earlier version has fewer options.
 */
function checksumsOf({ cells }: StudyPlan, known: readonly OptionName[]): ReadonlyMap<string, number> {
  const names = known.filter((name) => !unrelated.includes(name)).sort();
  return new Map(
    cells.map(({ id, config }) => [id, crc32(JSON.stringify(names.map((name) => [name, config[name]])))]),
  );
}

/**
 * Returns a key that is equal for plans with the same runs. It only contains the `known` options, because plans of earlier
 * versions have fewer.
 */
function identityOf({ cells, seeds, varied }: StudyPlan, known: readonly OptionName[]): string {
  const settings = cells.map(({ id, arm, label, config }) => [
    id,
    arm,
    label,
    known.map((name) => config[name]),
  ]);
  return JSON.stringify({ settings, seeds, varied });
}

const namesSchema = z.looseObject({
  cells: z.array(z.looseObject({ config: z.record(z.string(), z.unknown()) })),
});

interface NamedPlan {
  plan: StudyPlan;
  /** The options in the plan's configurations; plans of earlier versions have fewer. */
  known: readonly OptionName[];
}

function parsePlan(text: string, file: string): NamedPlan {
  const content = withoutChecksum(parsedJson(text, file));
  if (content === null) throw damaged(file, jsonChecksumAdvice);
  const { value } = content;
  const plan = checkedBy(planSchema, value, file);
  const { cells } = namesSchema.parse(value);
  const known = optionNames.filter((name) => cells.some(({ config }) => Object.hasOwn(config, name)));
  return { plan, known };
}
