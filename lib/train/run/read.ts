import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { runSteps } from '../../call/run.ts';
import { filePath } from '../../check.ts';
import { coded } from '../../errors.ts';
import { readInside } from '../../io/inside.ts';
import { damaged, maxOptionValues, parsedJson } from '../../io/json.ts';
import { finalName, lastName } from '../../io/run-path.ts';
import { differing, type RunConfig } from '../options/options.ts';
import { storedConfig } from '../options/resolve.ts';
import { type Outline, outlineOf, type Position, savedOptions } from './contents.ts';
import { logChange } from './metrics-log.ts';
import type { Row, RunRecord } from './record.ts';
import { identityIn, type Lines, parseRows, parseSnapshot } from './run-schema.ts';

/**
 * Reads a run folder: configuration, rows of metrics.jsonl, and the snapshot that reports draw. An interrupted run may have
 * no rows and no snapshot. Invalid rows are skipped and counted. Files that do not agree with the last checkpoint are listed.
 * @param path - the run folder
 * @throws `ERR_HOROBALL_RUN` if it is not a run folder; `ERR_HOROBALL_FORMAT` if config.json or snapshot.json is invalid, or
 * the snapshot belongs to another run; file system errors
 * @example
 * const { config, rows } = await readRun('runs/shapes-hybrid-1');
 */
export async function readRun(path: string): Promise<RunRecord> {
  const config = await readConfig(path);
  const last = await outlineOf(join(path, lastName)); // before the log, which a run in progress extends
  const log = await readLog(path);
  const { rows, invalid } = await rowsOf(log);
  const file = join(path, 'snapshot.json');
  const snapshot = await readInside(file);
  const mismatches = await mismatchesOf(path, config, last);
  return {
    name: config.name ?? resolve(path).split(/[\\/]/).at(-1)!,
    config,
    rows,
    snapshot: snapshot === null ? null : parseSnapshot(snapshot, file, identityIn(log)),
    ...(invalid && { invalid }),
    ...(mismatches.length > 0 && { mismatches }),
  };
}

/**
 * Describes differences between the files of a run: a log or a config.json that was replaced, edited or restored from an
 * earlier backup would make a report wrong.
 */
async function mismatchesOf(path: string, config: RunConfig, last: Outline | null): Promise<string[]> {
  const log = last === null ? null : await logChange(join(path, 'metrics.jsonl'), last.position);
  const [name, saved] =
    last === null ? [finalName, await savedOptions(join(path, finalName))] : [lastName, last.config];
  const other = saved === null ? undefined : differing(saved, config);
  const options =
    other === undefined
      ? null
      : `${other} is ${config[other]} in config.json and ${saved![other]} in ${name}, so config.json was changed after training.`;
  return [log, options].filter((text) => text !== null);
}

/** Reads a run's metrics.jsonl; no rows if the file does not exist. */
export async function readRows(path: string): Promise<Lines<Row>> {
  return await rowsOf(await readLog(path));
}

/** Reads the rows of a run's metrics.jsonl that were written after a checkpoint. */
export async function rowsAfter(path: string, { metricsBytes }: Position): Promise<readonly Row[]> {
  return (await rowsOf(Buffer.from(await readLog(path)).toString('utf8', metricsBytes))).rows;
}

async function readLog(path: string): Promise<string> {
  return (await readInside(join(path, 'metrics.jsonl'))) ?? '';
}

async function rowsOf(log: string): Promise<Lines<Row>> {
  return await runSteps('readRun', undefined, () => parseRows(log));
}

/**
 * Reads the configuration of a run.
 * @throws `ERR_HOROBALL_RUN` if `path` is not a run folder; `ERR_HOROBALL_FORMAT` if config.json is damaged
 */
export async function readConfig(path: string): Promise<RunConfig> {
  const file = join(filePath('readRun', 'path', path), 'config.json');
  const text = await readInside(file);
  if (text === null) throw await notARun(path);
  const options = parsedJson(text, file, maxOptionValues);
  if (options === null || typeof options !== 'object' || Array.isArray(options))
    throw damaged(file, 'it contains no options');
  try {
    return storedConfig(options as Record<string, unknown>);
  } catch (error) {
    throw damaged(file, (error as Error).message.replace(/^\[train\] /, ''));
  }
}

async function notARun(path: string): Promise<Error> {
  const why = await stat(path).then(
    (entry) => (entry.isDirectory() ? 'has no config.json' : 'is a file'),
    () => 'does not exist',
  );
  const message = `[run] path: expected a run folder, got ${path}, which ${why}. Pass a folder that horoball train wrote.`;
  return coded('ERR_HOROBALL_RUN', message);
}
