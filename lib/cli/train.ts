import { Command, Option } from 'commander';
import { coded } from '../errors.ts';
import { asRank } from '../train/distributed/as-rank.ts';
import { placeOf } from '../train/distributed/environment.ts';
import { followLauncher, launch } from '../train/distributed/launch.ts';
import type { RunConfig } from '../train/options/options.ts';
import { overrideOptions } from '../train/options/resolve.ts';
import { planRun, type RunPlan } from '../train/run/plan.ts';
import { planOnFirst } from '../train/train.ts';
import { addBaseOptions, baseOptions } from './base-options.ts';
import { dashboardOption, dashboardPort } from './dashboard-option.ts';
import { isGenerated } from './generate.ts';
import { addNotes, type Notes } from './help.ts';
import { mlflowOption, mlflowServer } from './mlflow-option.ts';
import { checkDataPath } from './network.ts';
import { addRunOptions, givenOptions } from './run-options.ts';
import { runTraining } from './training.ts';

const notes: Notes = {
  paragraphs: [
    'Options of the published code keep their names here; - and _ are interchangeable. The command line overrides --config, which overrides --recipe. Ctrl-C stops the run after the current step; --resume resumes it.',
    'In the progress line, acc is the percentage of images whose nearest image in another view has the same class (a view has one image of each class in the batch; mean over all pairs of views; only with --loss views), and data wait is the percentage of the time of a step that was spent waiting for images. In the lines about an epoch, saturated distances are at or above 12.206 / sqrt(c), the largest distance that the published code returns.',
  ],
  examples: [
    ['the built-in data set', 'horoball train'],
    [
      'a folder with one subfolder per class, half of them for testing',
      'horoball train --ds folder --path my-images --num_samples 4 --bs 32 \\\n--model vit_small_patch16_224 --ep 20 --dashboard',
    ],
    ['a published command', 'horoball train --recipe hypmix-cub-vit --path CUB_200_2011'],
    ['resume an interrupted run', 'horoball train --resume runs/folder-hybrid-1'],
    ['two processes on this machine', 'horoball train --nproc 2'],
    [
      'processes started by torchrun, on any number of machines',
      'torchrun --no-python --nproc-per-node 4 horoball train --device cuda',
    ],
  ],
};

/** `horoball train`: performs one run. */
export function trainCommand(): Command {
  const command = new Command('train').description('train a network and evaluate it on the test classes');
  addBaseOptions(command);
  command.option('--json', 'print every step and evaluation as JSON lines on stdout');
  command.option(
    '--resume <run>',
    "resume a run folder; 'auto' resumes the interrupted run with the same options and data, or starts a new one",
  );
  command.addOption(
    new Option(
      '--nproc <n>',
      'number of processes to start on this machine, which train together on each batch',
    ).argParser(integerParser('nproc', 1, 1024)),
  );
  command.addOption(
    new Option(
      '--max-restarts <n>',
      'with --nproc: maximum number of restarts from the last checkpoint after a failure (default 0)',
    ).argParser(integerParser('max-restarts', 0, 1_000_000)),
  );
  command.addOption(dashboardOption());
  command.addOption(mlflowOption());
  command.addOption(localRank('local_rank'));
  command.addOption(localRank('local-rank'));
  addRunOptions(command);
  addNotes(command, notes);
  command.action(async (options: Record<string, unknown>) => {
    const processes = options['nproc'] as number | undefined;
    if (processes !== undefined && processes > 1) return await launchRanks(processes, options);
    checkLocalRank(options);
    const notes: string[] = [];
    const note = (text: string): void => void notes.push(text);
    const given = overrideOptions(await baseOptions('train', options), givenOptions('train', options, note));
    if ((options['resume'] ?? 'auto') === 'auto') checkNamed(given);
    const dashboard = dashboardPort('[train] dashboard', options['dashboard']);
    const mlflow = mlflowServer('train', options['mlflow']);
    const resume = options['resume'] as string | undefined;
    const unfollow = followLauncher();
    await asRank(undefined, async (group) => {
      const plan = await planOnFirst(group, async () => {
        const found = await planRun(given as Partial<RunConfig>, { resume, note, ranks: group.place });
        checkPath(found, given);
        return found;
      });
      await runTraining(plan, { json: options['json'] === true, dashboard, mlflow, notes, group });
    });
    unfollow();
  });
  return command;
}

function checkPath({ config, folder }: RunPlan, given: Readonly<Record<string, unknown>>): void {
  if (folder !== null && given['path'] === undefined && !isGenerated(config.ds))
    checkDataPath('train', folder, config);
}

/** Runs this command in `size` processes that train together, and sets the exit code. */
async function launchRanks(size: number, options: Readonly<Record<string, unknown>>): Promise<void> {
  if (placeOf(process.env) !== null)
    throw coded(
      'ERR_HOROBALL_OPTION',
      `[train] nproc: expected no value, because another launcher started this process, got ${size}. Omit --nproc.`,
    );
  const args = without(process.argv.slice(1), ['--nproc', '--max-restarts']);
  process.exitCode = await launch({
    size,
    command: (resume) => (resume === null ? args : [...without(args, ['--resume']), '--resume', resume]),
    maxRestarts: (options['maxRestarts'] as number | undefined) ?? 0,
    say: (text) => void process.stderr.write(`${text}\n`),
  });
}

/** Returns the arguments without the named options and their values. */
function without(args: readonly string[], names: readonly string[]): string[] {
  return args.filter((arg, i) => {
    const isValue = names.includes(args[i - 1] ?? '');
    return !isValue && !names.some((name) => arg === name || arg.startsWith(`${name}=`));
  });
}

function integerParser(name: string, least: number, most: number): (text: string) => number {
  return (text) => {
    const value = /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (value >= least && value <= most) return value;
    const message = `[train] ${name}: expected an integer from ${least} to ${most}, got '${text}'`;
    throw coded('ERR_HOROBALL_OPTION', message, RangeError);
  };
}

/**
 * Returns a hidden option that commands of the published code have, because torch.distributed.launch passes it. Its
 * value must equal LOCAL_RANK, or 0 if that is not set, and is not used otherwise.
 */
function localRank(name: string): Option {
  return new Option(`--${name} <n>`).hideHelp();
}

function checkLocalRank(options: Readonly<Record<string, unknown>>): void {
  const given = (options['local_rank'] ?? options['localRank']) as string | undefined;
  const set = process.env['LOCAL_RANK'];
  const expected = set ?? '0';
  if (given === undefined || given === expected) return;
  const message = `[train] local_rank: expected ${expected}, ${set === undefined ? 'because LOCAL_RANK is not set' : 'the value of LOCAL_RANK'}, got '${given}'. Omit the option.`;
  throw coded('ERR_HOROBALL_OPTION', message, RangeError);
}

/** Rejects --path without --ds, because generating the built-in data set there is probably not intended. */
function checkNamed({ ds, path }: Readonly<Record<string, unknown>>): void {
  if (ds !== undefined || path === undefined) return;
  const message = `[train] ds: expected the name of the data set in ${path}, got none. Pass --ds, such as --ds folder for one subfolder per class (SOP is the published default).`;
  throw coded('ERR_HOROBALL_OPTION', message, RangeError);
}
