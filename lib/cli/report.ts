import { existsSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { Command, Option } from 'commander';
import { coded } from '../errors.ts';
import { evaluationsOf, type RunRecord, type Space } from '../train/record.ts';
import { comparisonPage } from '../train/report/compare.ts';
import { explorePage } from '../train/report/explore.ts';
import { spaceNames } from '../train/report/tables.ts';
import { readRun, writeReport, writeText } from '../train/run-folder.ts';
import { analyse } from '../train/sweep/analyse.ts';
import { readStudy, writeStudyReport } from '../train/sweep/study-folder.ts';
import { addNotes, type Notes } from './help.ts';
import { jsonLine } from './json.ts';
import { checkOutput } from './output.ts';
import { recallText } from './table.ts';

/** `horoball report`: draws the report of one run, or several runs side by side. */
export function reportCommand(): Command {
  const command = new Command('report')
    .description('draw the report of a run or of a study, or compare several runs')
    .argument('[run...]', 'run folders, or the one folder of a study')
    .addOption(
      new Option('--out <file>', 'where a comparison or the page of --explore goes').default(
        undefined,
        'comparison.html beside the first run; explore.html',
      ),
    )
    .option('--explore', 'write a page with sliders for temperatures and curvature; needs no run')
    .option(
      '--json',
      "print each run's last evaluation as a line of JSON on stdout, of a study what sweep prints",
    )
    .action(async (paths: string[], options: ReportOptions) => {
      const out = options.out ?? (options.explore ? 'explore.html' : undefined);
      if (out !== undefined) await checkOutput('[report] out', out);
      if (options.explore && paths.length > 0) throw noneTaken(paths[0]!);
      if (options.explore) return await explore(out!, options);
      if (paths.length === 0) throw noRun();
      if (paths.length === 1 && existsSync(join(paths[0]!, 'sweep.json'))) {
        if (out !== undefined) throw noOther(out);
        return await study(paths[0]!, options);
      }
      const records = await Promise.all(paths.map(readRun));
      for (const record of records) if (options.json) jsonLine(lastEvaluation(record));
      const table = comparisonText(records);
      if (table) process.stderr.write(`${table}\n\n`);
      const file = await drawn(paths, records, options.out);
      process.stderr.write(`Report: ${relative('.', file)}\n`);
    });
  addNotes(command, notes);
  return command;
}

const notes: Notes = {
  examples: [
    ['of one run, into its folder', 'horoball report runs/shapes-hybrid-1'],
    ['two runs side by side', 'horoball report runs/shapes-euclidean-1 runs/shapes-hybrid-1'],
    ['of a study', 'horoball report runs/sweep-shapes'],
    ['what temperature and curvature do to the negatives', 'horoball report --explore'],
  ],
};

interface ReportOptions {
  out?: string;
  json?: boolean;
  explore?: boolean;
}

function noRun(): Error {
  const message = '[report] run: expected at least one run folder, such as runs/shapes-hybrid-1';
  return coded('ERR_HOROBALL_OPTION', message, RangeError);
}

function noneTaken(path: string): Error {
  const message = `[report] run: expected none beside --explore, which shows formulas and no run, got ${path}`;
  return coded('ERR_HOROBALL_OPTION', message, RangeError);
}

function noOther(out: string): Error {
  const message = `[report] out: expected none for a study, whose report leads to those of its runs beside it, got ${out}`;
  return coded('ERR_HOROBALL_OPTION', message, RangeError);
}

async function explore(out: string, { json }: ReportOptions): Promise<void> {
  await writeText(resolve(out), explorePage());
  if (json) jsonLine({ type: 'page', file: out });
  process.stderr.write(`Page: ${relative('.', resolve(out))}\n`);
}

/** Its lines of JSON are those of the sweep that made it. */
async function study(path: string, { json }: ReportOptions): Promise<void> {
  const file = await writeStudyReport(path);
  if (json) {
    const found = await readStudy(path);
    const { cells, seeds } = found.plan;
    for (const result of found.results) jsonLine({ type: 'result', ...result });
    const complete = found.results.length === cells.length * seeds.length;
    jsonLine({ type: 'end', folder: path, complete, contrasts: analyse(found).contrasts });
  }
  process.stderr.write(`Report: ${relative('.', file)}\n`);
}

async function drawn(paths: readonly string[], records: readonly RunRecord[], out?: string): Promise<string> {
  if (paths.length === 1 && out === undefined) return await writeReport(paths[0]!);
  const file = resolve(out ?? join(dirname(resolve(paths[0]!)), 'comparison.html'));
  await writeText(file, comparisonPage(records));
  return file;
}

function lastEvaluation({ name, config, rows }: RunRecord): object {
  const last = evaluationsOf(rows).at(-1) ?? null;
  return { run: name, geometry: config.geometry, evaluation: last };
}

function comparisonText(records: readonly RunRecord[]): string | null {
  const lines = (Object.keys(spaceNames) as Space[]).flatMap((space) =>
    records.flatMap(({ name, rows }) => {
      const recall = evaluationsOf(rows).at(-1)?.spaces[space];
      return recall ? [{ name: `${name}: ${spaceNames[space].toLowerCase()}`, recall }] : [];
    }),
  );
  return lines.length === 0 ? null : recallText(lines);
}
