import { join, relative } from 'node:path';
import { Command, Option } from 'commander';
import { coded } from '../errors.ts';
import { fields, publishedDefaults, type RunConfig } from '../train/config.ts';
import { clock, Meter } from '../train/progress.ts';
import { verdictText } from '../train/report/study-words.ts';
import { analyse } from '../train/sweep/analyse.ts';
import { type Axis, type AxisName, axisNames, parseAxis } from '../train/sweep/axes.ts';
import { makePlan, type Plan } from '../train/sweep/plan.ts';
import { scoresOf } from '../train/sweep/results.ts';
import { sweep } from '../train/sweep/study.ts';
import { readStudy, StudyFolder } from '../train/sweep/study-folder.ts';
import { interruptedCode, interruptible } from './interrupt.ts';
import { jsonLine } from './json.ts';
import { headings } from './run-options.ts';
import { drawShapes } from './shapes.ts';

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

/** Settings of a run that takes at most 55 seconds on two cores: enough to tell temperatures apart. */
const shortRun: Readonly<Partial<RunConfig>> = { ep: 60 };
const secondsOfShortRun = 55;
const defaultTemperatures = '0.05,0.1,0.2';

/** `horoball sweep`: the whole study with one command. */
export function sweepCommand(): Command {
  const command = new Command('sweep')
    .description(
      'run a study: geometries by temperatures by paired seeds, with a report; called again, it goes on where it stopped',
    )
    .option('--out <folder>', 'folder of the study (default runs/sweep-<ds>)')
    .option('--resume <folder>', 'go on with the study in this folder, whatever its settings')
    .option('--seeds <n>', 'number of paired seeds, from --seed on; or give --seed a list', '5')
    .option(
      '--controls',
      'for each hyperbolic setting: chordal, a slope-matched Euclidean run and one with explicit hard negatives (--beta, default 1)',
    )
    .option(
      '--random <n>',
      'draw so many settings a geometry instead of trying all; allows ranges such as 0.05:0.4',
    )
    .addOption(
      new Option('--preset <name>', `short: at most ${secondsOfShortRun} s a run on two cores (shapes only)`)
        .choices(['short', 'none'])
        .default('short'),
    )
    .option('--plan', 'print what would be run, and stop')
    .option('--json', 'print every result as a line of JSON on stdout');
  for (const name of axisNames) addAxis(command, name);
  command.action(async (options: SweepOptions) => {
    const { path, plan } = await chosen(options);
    if (options.plan) return printPlan(path, plan, options.json === true);
    await study(path, plan, options.json === true);
  });
  return command;
}

/** Options of a run take lists here: `--hyp_c 0.1,1`. */
function addAxis(command: Command, name: AxisName): void {
  const isFlag = typeof publishedDefaults[name] === 'boolean';
  const standard: Partial<Record<AxisName, string>> = {
    geometry: 'euclidean,hyperbolic,hybrid',
    t: defaultTemperatures,
  };
  const note = standard[name] === undefined ? '' : ` (default ${standard[name]})`;
  const text = `${fields[name].help}${isFlag ? '' : '; a list'}${note}`;
  const flags = (spelled: string): string => `--${spelled}${isFlag ? '' : ' <values>'}`;
  command.addOption(new Option(flags(name), text).helpGroup(headings.get(name)!));
  if (name.includes('_')) command.addOption(new Option(flags(name.replaceAll('_', '-')), text).hideHelp());
}

async function chosen(options: SweepOptions): Promise<{ path: string; plan: Plan }> {
  if (options.resume !== undefined)
    return { path: options.resume, plan: (await readStudy(options.resume)).plan };
  const axes = axesOf(options);
  const draws = options.random === undefined ? null : wholeNumber('random', options.random);
  const { seed, ...others } = axes;
  const shapes = ds(axes) === 'shapes';
  const base = shapes && options.preset === 'short' ? shortRun : {};
  const seeds = seedsOf(seed, wholeNumber('seeds', options.seeds));
  const warm = (['t', 't_e', 't_h'] as const).some((name) => others[name] !== undefined);
  const all = warm ? others : { ...others, t: parseAxis('t', defaultTemperatures) };
  const plan = makePlan({ axes: all, seeds, base, controls: options.controls === true, draws });
  return { path: options.out ?? join('runs', `sweep-${ds(axes)}`), plan };
}

function axesOf(options: Readonly<Record<string, unknown>>): Partial<Record<AxisName, Axis>> {
  const camel = (name: string): string => name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
  const given = axisNames.flatMap((name) => {
    const value = options[name] ?? options[camel(name)];
    return value === undefined ? [] : [[name, parseAxis(name, String(value))] as const];
  });
  return Object.fromEntries(given);
}

function ds({ ds: axis }: Partial<Record<AxisName, Axis>>): string {
  return axis !== undefined && 'values' in axis ? axis.values.join('-') : 'shapes';
}

function seedsOf(axis: Axis | undefined, count: number): number[] {
  const given =
    axis !== undefined && 'values' in axis ? axis.values.map((value) => wholeNumber('seed', value)) : [42];
  return given.length > 1 ? given : Array.from({ length: count }, (_, i) => given[0]! + i);
}

function wholeNumber(name: string, text: string): number {
  const least = name === 'seed' ? 0 : 1;
  if (/^\d{1,9}$/.test(text) && Number(text) >= least) return Number(text);
  const message = `[sweep] ${name}: expected a whole number of at least ${least}, got '${text}'`;
  throw coded('ERR_HOROBALL_OPTION', message, RangeError);
}

function counted(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

function printPlan(path: string, { cells, seeds }: Plan, json: boolean): void {
  if (json) jsonLine({ type: 'plan', folder: path, cells, seeds });
  const lines = cells.map(({ arm, label }) => `  ${arm}: ${label}`);
  const runs = counted(cells.length * seeds.length, 'run');
  const product = `${counted(cells.length, 'setting')} x ${counted(seeds.length, 'seed')}`;
  process.stderr.write(`${lines.join('\n')}\n${product} = ${runs}, in ${path}.\n`);
}

async function study(path: string, plan: Plan, json: boolean): Promise<void> {
  const meter = new Meter();
  using interrupt = interruptible((text) => meter.say(text));
  const { signal } = interrupt;
  const folder = await StudyFolder.open(path, plan);
  if (folder.results.length > 0) meter.say(`Going on with ${path}: ${folder.results.length} runs are done.`);
  for (const where of shapesPaths(plan)) await drawShapes(where, signal);
  let now = '';
  const complete = signal.aborted
    ? false
    : await sweep(folder, {
        signal,
        onRun: ({ cell, seed, done, total }) => {
          now = `run ${done + 1}/${total} ${cell.arm} ${cell.label} seed ${seed}`;
        },
        onStep: ({ step }, steps) => meter.update(step, steps ?? step, now),
        onWarning: (text) => meter.say(`Note: ${text}.`),
        onResult: (result) => {
          if (json) jsonLine({ type: 'result', ...result });
          const cell = plan.cells.find(({ id }) => id === result.cell)!;
          const score = scoresOf(cell, [result]).get(result.seed);
          const what = score === undefined ? result.error : `Recall@1 ${(100 * score).toFixed(1)} %`;
          meter.say(`${now}: ${what}, ${clock(result.seconds)}`);
        },
      });
  meter.end();
  const analysis = analyse(await readStudy(path));
  if (json) jsonLine({ type: 'end', folder: path, complete, contrasts: analysis.contrasts });
  meter.say(`\n${verdictText(analysis)}`);
  if (!complete) meter.say('Stopped; the same command goes on.');
  meter.say(`Report: ${relative('.', join(path, 'report.html'))}`);
  if (!complete) process.exitCode = interruptedCode;
}

function shapesPaths({ cells }: Plan): Set<string> {
  return new Set(cells.flatMap(({ config }) => (config.ds === 'shapes' ? [config.path] : [])));
}
