import { join, relative } from 'node:path';
import { Command, Option } from 'commander';
import { coded } from '../errors.ts';
import { type RunConfig, shapesDefaults } from '../train/config.ts';
import { clock, Meter } from '../train/progress.ts';
import { verdictText } from '../train/report/study-words.ts';
import { analyse } from '../train/sweep/analyse.ts';
import { type Axis, type AxisName, axisNames, parseAxis } from '../train/sweep/axes.ts';
import { makePlan, type Plan } from '../train/sweep/plan.ts';
import { scoresOf } from '../train/sweep/results.ts';
import { sweep } from '../train/sweep/study.ts';
import { readStudy, StudyFolder } from '../train/sweep/study-folder.ts';
import { addNotes, type Notes } from './help.ts';
import { interruptedCode, interruptible } from './interrupt.ts';
import { jsonLine } from './json.ts';
import { addRunOptions, givenOptions } from './run-options.ts';
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

/** What differs from the defaults of a single run. */
const defaults: Readonly<Partial<Record<AxisName, string>>> = {
  geometry: 'euclidean,hyperbolic,hybrid',
  t: `${defaultTemperatures} where t_e and t_h are not given either`,
  t_e: 'what t says, else 0.1',
  t_h: 'what t says, else 0.2',
  beta: '0; 1 in the controls',
  ep: `${shortRun.ep} for shapes, else 100; ${shapesDefaults.ep} for shapes with --preset none`,
  eval_ep: 'the last epoch; r(0,181,36) for shapes with --preset none',
};

const notes: Notes = {
  paragraphs: [
    'Every option of a run takes several values with commas between them; all combinations are run, each with every seed. With --random an option may also be a range, low:high, to draw from.',
    'The study is a folder: sweep.json, results.jsonl, results.csv, report.html and the runs. The same command goes on with it where it was stopped.',
  ],
  examples: [
    ['3 geometries x 3 temperatures x 5 seeds: half an hour on two cores', 'horoball sweep'],
    ['what would be run', 'horoball sweep --hyp_c 0.1,1 --lam 0.5,3 --seeds 3 --plan'],
    ['what is curvature, what is temperature', 'horoball sweep --controls --hyp_c 0.1,1 --out runs/controls'],
    ['settings drawn from a range', 'horoball sweep --random 20 --t_h 0.02:0.5 --out runs/random'],
  ],
};

/** `horoball sweep`: the whole study with one command. */
export function sweepCommand(): Command {
  const command = new Command('sweep')
    .description('run a study: geometries by temperatures by paired seeds, with a report')
    .addOption(new Option('--out <folder>', 'folder of the study').default(undefined, 'runs/sweep-<ds>'))
    .option('--resume <folder>', 'go on with the study in this folder; its own settings count')
    .option('--seeds <n>', 'number of paired seeds, from --seed on, unless --seed is a list', '5')
    .option(
      '--controls',
      'add to each hyperbolic setting what tells curvature from temperature: a chordal run, a slope-matched Euclidean one and one with explicit hard negatives (--beta)',
    )
    .option('--random <n>', 'draw so many settings for each geometry, instead of trying all')
    .addOption(
      new Option(
        '--preset <name>',
        `length of the runs on shapes; short is at most ${secondsOfShortRun} s each on two cores`,
      )
        .choices(['short', 'none'])
        .default('short'),
    )
    .option('--plan', 'print what would be run, and stop')
    .option('--json', 'print every result as a line of JSON on stdout');
  addRunOptions(command, { keys: axisNames, many: true, defaults });
  addNotes(command, notes);
  command.action(async (options: SweepOptions) => {
    const { path, plan } = await chosen(options);
    if (options.plan) return printPlan(path, plan, options.json === true);
    await study(path, plan, options.json === true);
  });
  return command;
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
  const given = Object.entries(givenOptions(options)) as [AxisName, unknown][];
  return Object.fromEntries(given.map(([name, value]) => [name, parseAxis(name, String(value))]));
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
  using meter = new Meter();
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
