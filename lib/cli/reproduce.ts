import { availableParallelism, cpus } from 'node:os';
import { join, relative } from 'node:path';
import { Command, Option } from 'commander';
import { coded } from '../errors.ts';
import { type OptionName, optionNames, type RunConfig } from '../train/options/options.ts';
import { parseConfig } from '../train/options/resolve.ts';
import { counted } from '../train/report/run/extent.ts';
import { reproductionReport, writeReproduction } from '../train/report/study/reproduction.ts';
import { verdictText } from '../train/report/study/words.ts';
import { studyReport } from '../train/report/study/write.ts';
import { analyze } from '../train/study/analyze.ts';
import { axisNames } from '../train/study/axes.ts';
import {
  fitBudget,
  type Grid,
  mergedBase,
  planReproduction,
  runsOf,
  variedNames,
} from '../train/study/reproduction.ts';
import {
  checkSame,
  openReproduction,
  type ReproductionRecord,
  readRecord,
  readStudies,
} from '../train/study/reproduction-folder.ts';
import { fewestSeeds } from '../train/study/statistics.ts';
import { train } from '../train/train.ts';
import { generateData } from './generate.ts';
import { addNotes, type Notes } from './help.ts';
import { interruptible } from './interrupt.ts';
import { jsonLine } from './json.ts';
import type { Meter } from './meter.ts';
import { addRunOptions, givenOptions } from './run-options.ts';
import { performStudies, studyMeter } from './studies.ts';

interface ReproduceOptions extends Record<string, unknown> {
  out?: string;
  quick?: boolean;
  seeds: string;
  budget?: string;
  plan?: boolean;
  json?: boolean;
}

const notes: Notes = {
  paragraphs: [
    'Three studies repeat the comparisons of the HypMix paper (Yue et al., WACV 2024): Recall@1 as a function of the temperature for each geometry, as a function of lambda and c, and with a fixed or a free radius (head hypmix or hyp-vit). The report also shows the hard negatives and the effective temperature of the best runs.',
    'On shapes and emoji, runs start from random weights and take 60 and 20 epochs, respectively; on the data sets of the papers they use the options of the published commands, and on others the defaults of train. First, the command measures the speed of this machine and prints the estimated duration. To resume, run the same command again.',
  ],
  examples: [
    ['75 runs on the built-in data set', 'horoball reproduce'],
    ['a quick preview of the report, too short for conclusions', 'horoball reproduce --quick'],
    [
      'emoji instead of the built-in data set, an estimated two hours at most',
      'horoball reproduce --ds emoji --budget 120',
    ],
    ['the number of runs and the estimated duration', 'horoball reproduce --ds emoji --plan'],
  ],
};

const otherwise = 'otherwise that of the published command or of train';

/** Defaults that differ from those of a single run. */
const defaults: Readonly<Partial<Record<OptionName, string>>> = {
  ds: 'shapes',
  ep: `60 on shapes, 20 on emoji, ${otherwise}`,
  eval_ep: 'the last epoch',
  lr: `0.001 on shapes and emoji, ${otherwise}`,
  warmup: `20 on shapes, 100 on emoji, ${otherwise}`,
};

/** Options that the studies do not set themselves. */
const freeNames: readonly OptionName[] = optionNames.filter(
  (name) => axisNames.includes(name) && !variedNames.includes(name),
);

/** `horoball reproduce`: repeats the comparisons of the HypMix paper on one data set, with one report. */
export function reproduceCommand(): Command {
  const command = new Command('reproduce')
    .description('repeat the comparisons of geometries and temperatures in the HypMix paper on a data set')
    .addOption(
      new Option('--out <folder>', 'folder of the studies').default(undefined, 'runs/reproduce-<ds>'),
    )
    .option('--quick', 'use fewer settings, one seed and far fewer epochs, to preview the report')
    .option(
      '--seeds <n>',
      'number of seeds, starting at 42; every setting runs with the same seeds',
      String(fewestSeeds),
    )
    .option(
      '--budget <minutes>',
      'longest estimated duration in minutes; to stay within it, uses fewer seeds (at least 3), then fewer settings; runs that take longer are not stopped',
    )
    .option(
      '--plan',
      'print the number of settings and seeds of each study and, if none has been started, the estimated duration, and exit',
    )
    .option('--json', 'print every result as JSON lines on stdout');
  addRunOptions(command, { keys: freeNames, defaults });
  addNotes(command, notes);
  command.action(reproduce);
  return command;
}

async function reproduce(options: ReproduceOptions): Promise<void> {
  const given = givenOptions('reproduce', options) as Partial<RunConfig>;
  const ds = given.ds ?? 'shapes';
  const quick = options.quick === true;
  const base = mergedBase(ds, quick, given);
  parseConfig(base, 'reproduce'); // refuses an invalid option before anything runs
  const count = quick ? 1 : numberOf('seeds', options.seeds, true);
  const asked = Array.from({ length: count }, (_, i) => 42 + i);
  const budget = options.budget === undefined ? Infinity : 60 * numberOf('budget', options.budget, false);
  const path = options.out ?? join('runs', `reproduce-${ds}`);

  using meter = studyMeter();
  using interrupt = interruptible((text) => meter.say(text));
  const { signal } = interrupt;
  const wanted = { ds, quick, base, asked };
  const before = await readRecord(path);
  if (before !== null) checkSame(path, before, wanted);
  const record = before ?? (await chosen(wanted, budget, meter, signal));
  if (record === null) {
    process.exitCode = interrupt.code;
    return;
  }
  const plans = Object.entries(planReproduction(record.grid, record.base, record.seeds));
  if (options.json && options.plan)
    jsonLine({ type: 'plan', folder: path, studies: Object.fromEntries(plans) });
  const studies = plans.map(([name, { cells, seeds }]) => `${name} ${cells.length} x ${seeds.length}`);
  meter.say(`Settings x seeds: ${studies.join(', ')}.`);
  if (options.plan) return;
  const folders = await openReproduction(path, record);
  const onWarning = (text: string): void => meter.say(`Note: ${text}.`);
  const [writeStudy, writeWhole] = [studyReport(onWarning), reproductionReport(path, onWarning)];
  const complete = await performStudies(folders, {
    ...{ signal, meter, json: options.json === true, onWarning },
    report: async (folder) => {
      await writeStudy(folder);
      await writeWhole();
    },
  });
  meter.end();
  const analysis = analyze((await readStudies(path)).temperature);
  if (options.json) jsonLine({ type: 'end', folder: path, complete, contrasts: analysis.contrasts });
  meter.say(`\n${verdictText(analysis, 'in the report')}`);
  if (!complete) meter.say('Stopped. To resume, run the same command again.');
  const report = await writeReproduction(path);
  if (report !== null) meter.say(`Report: ${relative('.', report)}`);
  if (!complete) process.exitCode = interrupt.code;
}

/**
 * Generates missing data, measures the speed of this machine, chooses the runs that fit the budget, and reports the choice.
 * Null if the user stopped the generation or the measurement.
 */
async function chosen(
  wanted: Pick<ReproductionRecord, 'ds' | 'quick' | 'base' | 'asked'>,
  budget: number,
  meter: Meter,
  signal: AbortSignal,
): Promise<ReproductionRecord | null> {
  const { quick, base, asked } = wanted;
  const smallest: Grid = 'small';
  const { temperature } = planReproduction(smallest, base, asked);
  const { config } = temperature.cells.at(-1)!;
  await generateData(config.ds, config.path, signal);
  if (signal.aborted) return null;
  meter.say('Measuring the speed of this machine.');
  const seconds = await secondsPerRun(config, signal);
  if (seconds === null) return null;
  const fit = quick ? { grid: smallest, seeds: asked } : fitBudget(base, asked, seconds, budget);
  const runs = runsOf(planReproduction(fit.grid, base, fit.seeds));
  const minutes = Math.ceil((runs * seconds) / 60);
  meter.say(`${counted(runs, 'run')} of ${Math.ceil(seconds)} s: about ${counted(minutes, 'minute')}.`);
  return { ...wanted, grid: fit.grid, seeds: [...fit.seeds], command: commandLine(), machine: machine() };
}

const [warmSteps, timedSteps] = [3, 8];
/** Duration of a run, including its start, evaluations and reports, divided by the duration of its steps. */
const overhead = 1.2;

/** Estimates the duration of a run in seconds from its first steps; null if the user stopped it. */
async function secondsPerRun(config: RunConfig, signal: AbortSignal): Promise<number | null> {
  const enough = new AbortController();
  let [began, seconds] = [performance.now(), 0];
  await train(
    { ...config, runs: null, eval_ep: '[]' },
    {
      signal: AbortSignal.any([signal, enough.signal]),
      onStep: ({ step }, steps) => {
        if (step === warmSteps) began = performance.now();
        const timed = step - warmSteps;
        if (timed > 0) seconds = ((performance.now() - began) / 1000 / timed) * (steps ?? timed) * overhead;
        if (timed === timedSteps) enough.abort();
      },
    },
  );
  return signal.aborted ? null : seconds;
}

function commandLine(): string {
  return ['horoball', ...process.argv.slice(2)].join(' ');
}

function machine(): string {
  const model = cpus()[0]?.model ?? process.arch;
  return `${model}, ${availableParallelism()} CPUs, Node.js ${process.versions.node}`;
}

function numberOf(name: string, text: string, isWhole: boolean): number {
  const value = Number(text);
  if (isWhole ? /^[1-9]\d{0,3}$/.test(text) : value > 0 && value < 1e6) return value;
  const expected = isWhole ? 'an integer from 1 to 9999' : 'a number of minutes above 0';
  throw coded('ERR_HOROBALL_OPTION', `[reproduce] ${name}: expected ${expected}, got '${text}'`, RangeError);
}
