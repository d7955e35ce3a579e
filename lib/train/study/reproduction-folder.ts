import { join } from 'node:path';
import { z } from 'zod';
import { coded } from '../../errors.ts';
import { ensureFolder } from '../../io/folder.ts';
import { readInside } from '../../io/inside.ts';
import { damaged, parsedJson } from '../../io/json.ts';
import { jsonChecksumAdvice, readableJson, withoutChecksum } from '../../io/json-checksum.ts';
import { checkedBy } from '../../io/read-back.ts';
import { writeText } from '../../io/text.ts';
import type { RunConfig } from '../options/options.ts';
import { checkUnused, lockStudy, readStudy, StudyFolder } from './folder.ts';
import { maxRuns } from './plan.ts';
import { type Grid, grids, planReproduction, type StudyName, studyNames } from './reproduction.ts';
import type { Study } from './results.ts';

/** The contents of reproduction.json: the request, and the planned runs. */
export interface ReproductionRecord {
  ds: string;
  /** Whether the runs are too short for conclusions. */
  quick: boolean;
  /** Options of all runs. */
  base: Partial<RunConfig>;
  /** The requested seeds. */
  asked: number[];
  /** The grid and the seeds that fit the budget. */
  grid: Grid;
  seeds: number[];
  /** The command line, and the machine that started the reproduction. */
  command: string;
  machine: string;
}

/** Maximum lengths of the texts that a page shows. */
const [maxCommand, maxMachine] = [10_000, 1000];

const seeds = z.array(z.int()).min(1).max(maxRuns);
const recordSchema: z.ZodType<ReproductionRecord> = z
  .looseObject({
    ds: z.string(),
    quick: z.boolean(),
    base: z.record(z.string(), z.unknown()),
    asked: seeds,
    grid: z.enum(grids),
    seeds,
    command: z.string().max(maxCommand),
    machine: z.string().max(maxMachine),
  })
  .refine(({ asked }) => new Set(asked).size === asked.length, 'a seed occurs twice')
  .refine(
    ({ asked, seeds }) => seeds.every((seed, i) => seed === asked[i]),
    'the seeds are not the first of those that were requested',
  );

const recordName = 'reproduction.json';
const fileOf = (path: string): string => join(path, recordName);

/**
 * Reads reproduction.json; null if it does not exist.
 * @throws `ERR_HOROBALL_FORMAT` if it is damaged
 */
export async function readRecord(path: string): Promise<ReproductionRecord | null> {
  const text = await readInside(fileOf(path));
  if (text === null) return null;
  const content = withoutChecksum(parsedJson(text, fileOf(path)));
  if (content === null) throw damaged(fileOf(path), jsonChecksumAdvice);
  return checkedBy(recordSchema, content.value, fileOf(path));
}

/**
 * Throws `ERR_HOROBALL_SWEEP_EXISTS` unless a folder's record describes the same reproduction. The budget may differ,
 * because the runs were selected when the reproduction started.
 */
export function checkSame(
  path: string,
  before: ReproductionRecord,
  now: Pick<ReproductionRecord, 'ds' | 'quick' | 'base' | 'asked'>,
): void {
  const key = ({ ds, quick, base, asked }: typeof now): string => {
    const options = Object.entries(base).sort(([a], [b]) => (a < b ? -1 : 1));
    return JSON.stringify({ ds, quick, options, asked });
  };
  if (key(before) === key(now)) return;
  const message = `[reproduce] out: expected the same reproduction, got ${path} with different settings. Choose another --out, or repeat its command: ${before.command}`;
  throw coded('ERR_HOROBALL_SWEEP_EXISTS', message);
}

/**
 * Opens the studies of a reproduction, each in a folder with its name, and writes reproduction.json.
 * @throws `ERR_HOROBALL_SWEEP_EXISTS` if another process has started a different reproduction there in the meantime, or if
 * the folder has files that would be replaced
 */
export async function openReproduction(path: string, record: ReproductionRecord): Promise<StudyFolder[]> {
  await ensureFolder(path);
  await using _ = await lockStudy(path);
  const other = await readRecord(path);
  if (other !== null) checkSame(path, other, record);
  else {
    const files = { at: '[reproduce] out', what: 'reproduction', record: recordName };
    await checkUnused(path, ['report.html'], files);
    const command = record.command.slice(0, maxCommand);
    const machine = record.machine.slice(0, maxMachine);
    await writeText(fileOf(path), readableJson({ ...record, command, machine }));
  }
  const { grid, base, seeds } = other ?? record; // those of the first process, because they depend on its measured speed
  const plans = planReproduction(grid, base, seeds);
  const folders: StudyFolder[] = [];
  for (const name of studyNames) folders.push(await StudyFolder.open(join(path, name), plans[name]));
  return folders;
}

/** Reads the studies of a reproduction. */
export async function readStudies(path: string): Promise<Record<StudyName, Study>> {
  const read = async (name: StudyName) => [name, await readStudy(join(path, name))] as const;
  return Object.fromEntries(await Promise.all(studyNames.map(read))) as Record<StudyName, Study>;
}
