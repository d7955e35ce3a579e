import { join, relative } from 'node:path';
import { Command, Option } from 'commander';
import { coded, printable } from '../errors.ts';
import { isTemperature, type RunConfig } from '../train/options/options.ts';
import { publishedDefaults, shapesDefaults } from '../train/options/resolve.ts';
import { verdictText } from '../train/report/study/words.ts';
import { studyReport } from '../train/report/study/write.ts';
import { percent } from '../train/report/tables.ts';
import { type Analysis, analyze } from '../train/study/analyze.ts';
import { type Axis, type AxisName, axisNames, parseAxis } from '../train/study/axes.ts';
import { readStudy, StudyFolder } from '../train/study/folder.ts';
import { defaultGeometries, makePlan, maxRuns, type StudyPlan } from '../train/study/plan.ts';
import { addBaseOptions, baseOptions } from './base-options.ts';
import { addNotes, type Notes } from './help.ts';
import { interruptible } from './interrupt.ts';
import { jsonLine } from './json.ts';
import { addRunOptions, givenOptions } from './run-options.ts';
import { performStudies, studyMeter } from './studies.ts';
import { textTable } from './table.ts';

interface SweepOptions extends Record<string, unknown> {
  out?: string;
  resume?: string;
  seeds: string;
  random?: string;
  controls?: boolean;
  preset: 'short' | 'none';
  plan?: boolean;
  json?: boolean;
}

/** Options of a short run: at most 55 seconds on two cores, but long enough to distinguish temperatures. */
const shortRun: Readonly<Partial<RunConfig>> = { ep: 60 };
const secondsOfShortRun = 55;
const defaultTemperatures = '0.05,0.1,0.2';

/** Defaults that differ from those of a single run. */
const defaults: Readonly<Partial<Record<AxisName, string>>> = {
  geometry: defaultGeometries.join(','),
  t: `${defaultTemperatures} unless t_e or t_h is given`,
  t_e: `the values of t, or ${publishedDefaults.t_e} without t`,
  t_h: `the values of t, or ${publishedDefaults.t_h} without t`,
  beta: `${publishedDefaults.beta}; 1 in the controls`,
  ep: `${shortRun.ep} with --ds shapes, or ${shapesDefaults.ep} with --preset none, --config or --recipe; otherwise ${publishedDefaults.ep}`,
  eval_ep: `the last epoch; ${shapesDefaults.eval_ep} for the ${shapesDefaults.ep} epochs of --ds shapes`,
};

const notes: Notes = {
  paragraphs: [
    'Options of --recipe or --config apply to all runs; options on the command line override them. Every run option accepts several comma-separated values; all combinations are run, each with every seed. A value that itself contains commas goes in brackets: --rand_augment [2,9]. Each name in --learn is a separate setting; to train several scalars in every run, set learn in the file of --config. With --random, an option may also be a range low:high to sample from.',
    'A study is a folder with sweep.json, results.jsonl, results.csv, report.html and the runs. To resume an interrupted study, run the same command again.',
  ],
  examples: [
    ['3 geometries x 3 temperatures x 5 seeds: 30 minutes on two cores', 'horoball sweep'],
    ['show the plan', 'horoball sweep --hyp_c 0.1,1 --lam 0.5,3 --seeds 3 --plan'],
    ['separate curvature from temperature', 'horoball sweep --controls --hyp_c 0.1,1 --out runs/controls'],
    ['vary a recipe', 'horoball sweep --recipe emoji --ep 20 --t 0.1,0.2'],
    ['random search over a range', 'horoball sweep --random 20 --t_h 0.02:0.5 --out runs/random'],
  ],
};

/** `horoball sweep`: runs a whole study. */
export function sweepCommand(): Command {
  const command = new Command('sweep')
    .description('train with several geometries, temperatures and seeds, and compare them in a report')
    .addOption(new Option('--out <folder>', 'folder of the study').default(undefined, 'runs/sweep-<ds>'))
    .option('--resume <folder>', 'resume the study in this folder with its own settings')
    .option(
      '--seeds <n>',
      'number of seeds, starting at --seed; every setting runs with the same seeds; ignored if --seed is a list',
      '5',
    )
    .option(
      '--controls',
      'for each hyperbolic setting, add three controls that separate the effect of curvature from that of temperature: chordal (the straight-line distance), slope-matched (a Euclidean run whose logit has the same slope) and hard negatives (a Euclidean run that gives hard negatives more weight, as --beta does)',
    )
    .option('--random <n>', 'number of settings to sample per geometry, instead of all combinations')
    .addOption(
      new Option(
        '--preset <name>',
        `length of the runs on shapes: 'short' takes ${shortRun.ep} epochs, at most ${secondsOfShortRun} s per run on two cores; 'none' keeps the length of horoball train, as --config and --recipe do`,
      )
        .choices(['short', 'none'])
        .default('short'),
    )
    .option('--plan', 'print the plan and exit')
    .option('--json', 'print every result as JSON lines on stdout');
  addBaseOptions(command);
  addRunOptions(command, { keys: axisNames, many: true, defaults });
  addNotes(command, notes);
  command.action(async (options: SweepOptions) => {
    const { path, plan, size } = await chosen(options);
    if (options.plan) return printPlan(path, plan, { size, json: options.json === true });
    await study(path, plan, { size, json: options.json === true });
  });
  return command;
}

interface Chosen {
  path: string;
  plan: StudyPlan;
  /** The number of runs as a product, such as `12 runs: 2 lr x 3 t x 2 seeds`. */
  size: string;
}

async function chosen(options: SweepOptions): Promise<Chosen> {
  if (options.resume !== undefined) {
    const { plan } = await readStudy(options.resume);
    return { path: options.resume, plan, size: sizeText(plan) };
  }
  const given = await baseOptions('sweep', options);
  const axes = axesOf(options);
  const draws = options.random === undefined ? null : wholeNumber('random', options.random);
  const { seed, ...others } = axes;
  const isShort =
    Object.keys(given).length === 0 && ds(axes, given) === 'shapes' && options.preset === 'short';
  const base = isShort ? shortRun : (given as Partial<RunConfig>);
  const seeds = seedsOf(seed, wholeNumber('seeds', options.seeds), given['seed']);
  const isSet = (name: AxisName): boolean => axes[name] !== undefined || given[name] !== undefined;
  const hasTemperature = axisNames.some((name) => isTemperature(name) && isSet(name));
  const added: Partial<Record<AxisName, Axis>> = {
    ...(others.geometry === undefined && { geometry: { values: [...defaultGeometries] } }),
    ...(!hasTemperature && { t: parseAxis('t', defaultTemperatures) }),
  };
  const all = { ...others, ...added };
  const plan = makePlan({ axes: all, seeds, base, controls: options.controls === true, draws });
  const path = options.out ?? join('runs', `sweep-${ds(axes, given)}`);
  return { path, plan, size: sizeText(plan, draws === null ? all : {}, added) };
}

type Axes = Readonly<Partial<Record<AxisName, Axis>>>;

/**
 * Describes the number of runs: `12 runs: 2 lr x 3 t x 2 seeds`. States only the number of settings if it is not the
 * product of the axes, as with controls, random settings, or options that a geometry does not use.
 *
 * @param added - axes that were not given; the text states their default values
 */
function sizeText({ cells, seeds }: StudyPlan, axes: Axes = {}, added: Axes = {}): string {
  const lists = Object.entries(axes).flatMap(([name, axis]) =>
    'values' in axis && axis.values.length > 1 ? [[name, axis.values] as const] : [],
  );
  const product = lists.reduce((count, [, values]) => count * values.length, 1);
  const factors =
    product === cells.length && lists.length > 0
      ? lists.map(([name, values]) => `${values.length} ${name}`)
      : [counted(cells.length, 'setting')];
  const defaults = Object.entries(added).map(([name, axis]) => {
    const values = 'values' in axis ? axis.values : [];
    return { text: `${name} defaults to ${values.join(',')}`, example: `--${name} ${values[1]}` };
  });
  const texts = defaults.map(({ text }) => text).join(' and ');
  const examples = defaults.map(({ example }) => example).join(' ');
  const why =
    defaults.length === 0 ? '' : ` (${texts}; to use a single value, pass, for example, ${examples})`;
  const runs = counted(cells.length * seeds.length, 'run');
  return `${runs}: ${[...factors, counted(seeds.length, 'seed')].join(' x ')}${why}`;
}

function axesOf(options: Readonly<Record<string, unknown>>): Partial<Record<AxisName, Axis>> {
  const given = Object.entries(givenOptions('sweep', options)) as [AxisName, unknown][];
  return Object.fromEntries(given.map(([name, value]) => [name, parseAxis(name, String(value))]));
}

function ds({ ds: axis }: Partial<Record<AxisName, Axis>>, base: Readonly<Record<string, unknown>>): string {
  return axis !== undefined && 'values' in axis ? axis.values.join('-') : String(base['ds'] ?? 'shapes');
}

function seedsOf(axis: Axis | undefined, count: number, base: unknown = 42): number[] {
  const values = axis !== undefined && 'values' in axis ? axis.values : [String(base)];
  const given = values.map((value) => wholeNumber('seed', value));
  if (given.length === 1 && count > maxRuns)
    throw coded(
      'ERR_HOROBALL_OPTION',
      `[sweep] seeds: expected an integer from 1 to ${maxRuns}, got '${count}'`,
      RangeError,
    );
  return given.length > 1 ? given : Array.from({ length: count }, (_, i) => given[0]! + i);
}

function wholeNumber(name: string, text: string): number {
  const least = name === 'seed' ? 0 : 1;
  if (/^\d{1,9}$/.test(text) && Number(text) >= least) return Number(text);
  const message = `[sweep] ${name}: expected an integer of at least ${least}, got '${text}'`;
  throw coded('ERR_HOROBALL_OPTION', message, RangeError);
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

function printPlan(
  path: string,
  { cells, seeds }: StudyPlan,
  { size, json }: { size: string; json: boolean },
): void {
  if (json) jsonLine({ type: 'plan', folder: path, cells, seeds });
  const lines = cells.map(({ arm, label }) => `  ${arm}: ${label}`);
  process.stderr.write(printable(`${lines.join('\n')}\n${size}, in ${path}.\n`));
}

/** Maximum number of rows in the table of settings on the terminal. */
const maxListed = 40;

/** Formats the mean and standard deviation of the settings as a table, in percent, best first. */
function settingsText({ arms }: Analysis): string {
  const cells = arms.flatMap(({ cells }) => cells).filter(({ estimate }) => estimate.count > 0);
  const sorted = cells.sort((a, b) => b.estimate.mean - a.estimate.mean);
  const rows = sorted
    .slice(0, maxListed)
    .map(({ cell, estimate: { mean, deviation, count } }) => [
      `${cell.arm} ${cell.label}`,
      percent(mean),
      percent(deviation),
      String(count),
    ]);
  const more = sorted.length - rows.length;
  const rest = more === 0 ? '' : `\nand ${counted(more, 'more setting')}, in results.csv`;
  return `${textTable([['Recall@1 in %', 'mean', 'std. dev.', 'seeds'], ...rows])}${rest}`;
}

async function study(
  path: string,
  plan: StudyPlan,
  { size, json }: { size: string; json: boolean },
): Promise<void> {
  using meter = studyMeter();
  using interrupt = interruptible((text) => meter.say(text));
  const folder = await StudyFolder.open(path, plan);
  const onWarning = (text: string): void => meter.say(`Note: ${text}.`);
  meter.say(`${size}.`);
  const complete = await performStudies([folder], {
    ...{ meter, json, onWarning, signal: interrupt.signal },
    report: studyReport(onWarning),
  });
  meter.end();
  const analysis = analyze(await readStudy(path));
  if (json) jsonLine({ type: 'end', folder: path, complete, contrasts: analysis.contrasts });
  meter.say(`\n${settingsText(analysis)}\n\n${verdictText(analysis, 'in the report')}`);
  if (!complete) meter.say('Stopped. To resume, run the same command again.');
  meter.say(`Report: ${relative('.', join(path, 'report.html'))}`);
  if (!complete) process.exitCode = interrupt.code;
}
