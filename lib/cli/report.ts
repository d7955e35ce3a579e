import { existsSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { Command } from 'commander';
import { coded } from '../errors.ts';
import { evaluationsOf, type RunRecord, type Space } from '../train/record.ts';
import { comparisonPage } from '../train/report/compare.ts';
import { explorePage } from '../train/report/explore.ts';
import { spaceNames } from '../train/report/tables.ts';
import { readRun, writeReport, writeText } from '../train/run-folder.ts';
import { writeStudyReport } from '../train/sweep/study-folder.ts';
import { jsonLine } from './json.ts';
import { recallText } from './table.ts';

/** `horoball report`: draws the report of one run, or several runs side by side. */
export function reportCommand(): Command {
  return new Command('report')
    .description('draw the report of a run or of a study, or compare several runs')
    .argument('[run...]', 'run folders, or the one folder of a study')
    .option('--out <file>', 'where the comparison goes (default: comparison.html beside the first run)')
    .option(
      '--explore',
      'write a page with sliders for temperatures and curvature (--out, default explore.html)',
    )
    .option('--json', "print each run's last evaluation as a line of JSON on stdout")
    .action(async (paths: string[], options: ReportOptions) => {
      if (options.explore) return await explore(options.out ?? 'explore.html');
      if (paths.length === 0) throw noRun();
      if (paths.length === 1 && existsSync(join(paths[0]!, 'sweep.json'))) return await study(paths[0]!);
      const records = await Promise.all(paths.map(readRun));
      for (const record of records) if (options.json) jsonLine(lastEvaluation(record));
      const table = comparisonText(records);
      if (table) process.stderr.write(`${table}\n\n`);
      const file = await drawn(paths, records, options.out);
      process.stderr.write(`Report: ${relative('.', file)}\n`);
    });
}

interface ReportOptions {
  out?: string;
  json?: boolean;
  explore?: boolean;
}

function noRun(): Error {
  const message = '[report] run: expected at least one run folder, such as runs/shapes-hybrid-1';
  return coded('ERR_HOROBALL_OPTION', message, RangeError);
}

async function explore(out: string): Promise<void> {
  await writeText(resolve(out), explorePage());
  process.stderr.write(`Page: ${relative('.', resolve(out))}\n`);
}

async function study(path: string): Promise<void> {
  process.stderr.write(`Report: ${relative('.', await writeStudyReport(path))}\n`);
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
