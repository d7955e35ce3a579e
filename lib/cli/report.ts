import { existsSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { Command, Option } from 'commander';
import { coded, printable } from '../errors.ts';
import { writeText } from '../io/text.ts';
import type { Space } from '../train/measure/types.ts';
import { comparisonPage, forComparison, maxDrawn, withoutDrawings } from '../train/report/run/compare.ts';
import { explorePage } from '../train/report/run/explore.ts';
import { writeReport } from '../train/report/run/write.ts';
import { writeReproduction } from '../train/report/study/reproduction.ts';
import { writeStudyReport } from '../train/report/study/write.ts';
import { spaceNames } from '../train/report/tables.ts';
import { readRun } from '../train/run/read.ts';
import { evaluationsOf, type RunRecord } from '../train/run/record.ts';
import { fileNotes } from '../train/run/warnings.ts';
import { analyze } from '../train/study/analyze.ts';
import { readStudy } from '../train/study/folder.ts';
import { readStudies } from '../train/study/reproduction-folder.ts';
import { resultNotes, type Study } from '../train/study/results.ts';
import { addNotes, type Notes } from './help.ts';
import { jsonLine } from './json.ts';
import { checkOutput } from './output.ts';
import { recallText } from './table.ts';

/** `horoball report`: writes the report of a run or a study, compares several runs, or writes the page of --explore. */
export function reportCommand(): Command {
  const command = new Command('report')
    .description('write the report of a run or study, or compare several runs')
    .argument('[run...]', 'run folders, or the folder of one study or reproduction')
    .addOption(
      new Option('--out <file>', 'output file; not allowed for a study or reproduction').default(
        undefined,
        'report.html in the run folder; for several runs, comparison.html next to the first; explore.html with --explore',
      ),
    )
    .option(
      '--explore',
      'write a page with sliders that shows how temperatures and curvature weight the negatives; takes no run',
    )
    .option(
      '--json',
      'print the last evaluation of each run (for a study, each result) as JSON lines on stdout',
    )
    .action(async (paths: string[], options: ReportOptions) => {
      const out = options.out ?? (options.explore ? 'explore.html' : undefined);
      if (out !== undefined) await checkOutput('[report] out', out);
      if (options.explore && paths.length > 0) throw unexpectedRun(paths[0]!);
      if (options.explore) return await explore(out!, options);
      if (paths.length === 0) throw noRun();
      if (paths.length === 1 && (await reportsStudy(paths[0]!, options))) return;
      const records: RunRecord[] = [];
      for (const path of paths) {
        // Runs are read one after another: reading thousands in parallel would need as many open files, and much
        // memory.
        const record = await readRun(path);
        for (const note of fileNotes(record)) process.stderr.write(`Note: ${path}: ${note}\n`);
        records.push(records.length < maxDrawn ? forComparison(record) : withoutDrawings(record));
      }
      for (const record of records) if (options.json) jsonLine(lastEvaluation(record));
      const table = comparisonText(records);
      if (table) process.stderr.write(`${printable(table)}\n\n`);
      const file = await drawn(paths, records, options.out);
      process.stderr.write(`Report: ${printable(relative('.', file))}\n`);
    });
  addNotes(command, notes);
  return command;
}

const notes: Notes = {
  examples: [
    ['one run, written to its folder', 'horoball report runs/shapes-hybrid-1'],
    ['two runs side by side', 'horoball report runs/shapes-euclidean-1 runs/shapes-hybrid-1'],
    ['a study', 'horoball report runs/sweep-shapes'],
    ['how temperature and curvature weight the negatives', 'horoball report --explore'],
  ],
};

interface ReportOptions {
  out?: string;
  json?: boolean;
  explore?: boolean;
}

function noRun(): Error {
  const message =
    '[report] run: expected at least one run folder, got none. Pass one, such as runs/shapes-hybrid-1.';
  return coded('ERR_HOROBALL_OPTION', message, RangeError);
}

function unexpectedRun(path: string): Error {
  const message = `[report] run: expected no run with --explore, which shows formulas only, got ${path}. Omit the run or --explore.`;
  return coded('ERR_HOROBALL_OPTION', message, RangeError);
}

function noOther(out: string): Error {
  const message = `[report] out: expected no value for a study, got ${out}. Its report is written to the study folder, next to the runs that it links to. Omit --out.`;
  return coded('ERR_HOROBALL_OPTION', message, RangeError);
}

async function explore(out: string, { json }: ReportOptions): Promise<void> {
  await writeText(resolve(out), explorePage());
  if (json) jsonLine({ type: 'page', file: out });
  process.stderr.write(`Page: ${printable(relative('.', resolve(out)))}\n`);
}

/** Writes the report of a study or reproduction, and returns true; returns false if the folder is neither. */
async function reportsStudy(path: string, options: ReportOptions): Promise<boolean> {
  const write = { 'sweep.json': study, 'reproduction.json': reproduction };
  const record = Object.entries(write).find(([name]) => existsSync(join(path, name)));
  if (record === undefined) return false;
  if (options.out !== undefined) throw noOther(options.out);
  const file = await record[1](path, options);
  process.stderr.write(`Report: ${printable(relative('.', file))}\n`);
  return true;
}

/** Writes the report of a study. With `json`, prints the same JSON lines as `horoball sweep`. */
async function study(path: string, { json }: ReportOptions): Promise<string> {
  const file = await writeStudyReport(path);
  end(path, { '': await readStudy(path) }, json);
  return file;
}

/** Writes the report of a reproduction. With `json`, prints the same JSON lines as `horoball reproduce`. */
async function reproduction(path: string, { json }: ReportOptions): Promise<string> {
  const file = await writeReproduction(path);
  end(path, await readStudies(path), json);
  return file!; // the caller has found reproduction.json
}

/** Prints notes about the results of studies, and with `json` the results; the first study answers the question. */
function end(folder: string, studies: Readonly<Record<string, Study>>, json = false): void {
  const notes = resultNotes(studies);
  for (const note of notes) process.stderr.write(`Note: ${printable(`${folder}: ${note}`)}\n`);
  if (!json) return;
  const all = Object.values(studies);
  for (const { results } of all) for (const result of results) jsonLine({ type: 'result', ...result });
  const complete = all.every(({ plan, results }) => results.length === plan.cells.length * plan.seeds.length);
  const { contrasts } = analyze(all[0]!);
  jsonLine({ type: 'end', folder, complete, contrasts, ...(notes.length > 0 && { notes }) });
}

async function drawn(paths: readonly string[], records: readonly RunRecord[], out?: string): Promise<string> {
  if (paths.length === 1) return await writeReport(paths[0]!, out);
  const file = resolve(out ?? join(dirname(resolve(paths[0]!)), 'comparison.html'));
  await writeText(file, comparisonPage(records));
  return file;
}

function lastEvaluation(record: RunRecord): object {
  const { name, config, rows } = record;
  const last = evaluationsOf(rows).at(-1) ?? null;
  const notes = fileNotes(record);
  return { run: name, geometry: config.geometry, evaluation: last, ...(notes.length > 0 && { notes }) };
}

function comparisonText(records: readonly RunRecord[]): string | null {
  const lines = (Object.keys(spaceNames) as Space[]).flatMap((space) =>
    records.flatMap(({ name, rows }) => {
      const recall = evaluationsOf(rows).at(-1)?.spaces[space];
      return recall ? [{ name: `${name}: ${spaceNames[space].toLowerCase()}`, recall }] : [];
    }),
  );
  const [names, ...others] = records
    .filter(({ snapshot }) => snapshot !== null)
    .map(({ snapshot }) => snapshot!.levels?.join('\n'));
  const levels = others.every((each) => each === names) ? records[0]?.snapshot?.levels : undefined;
  return lines.length === 0 ? null : recallText(lines, levels);
}
