import { readFile } from 'node:fs/promises';
import { Command, Option } from 'commander';
import { coded } from '../errors.ts';
import { reasonOf } from '../io/trouble.ts';
import type { RunConfig } from '../train/config.ts';
import { findRecipe } from '../train/recipes.ts';
import { planRun } from '../train/resume.ts';
import { dashboardOption, dashboardPort } from './dashboard-option.ts';
import { addNotes, type Notes } from './help.ts';
import { checkDataPath } from './network.ts';
import { addRunOptions, givenOptions, over } from './run-options.ts';
import { runTraining } from './training.ts';

const notes: Notes = {
  paragraphs: [
    'Options have their published names, with - or _. What is given on the command line comes before --config, that before --recipe. Ctrl-C ends the run after its step; --resume goes on with it.',
  ],
  examples: [
    ['the built-in data set', 'horoball train'],
    [
      'a folder of class folders, half of which are the test',
      'horoball train --ds folder --path my-pictures --num_samples 4 --bs 32 \\\n--model vit_small_patch16_224 --ep 20 --dashboard',
    ],
    ['a published command', 'horoball train --recipe hypmix-cub-vit --path CUB_200_2011'],
    ['a run that was broken off', 'horoball train --resume runs/folder-hybrid-1'],
  ],
};

/** `horoball train`: one run. */
export function trainCommand(): Command {
  const command = new Command('train').description('train a network and evaluate it on unseen classes');
  command.option('--config <file>', 'options from a JSON file, such as the config.json of a run');
  command.option('--recipe <name>', 'a published command; `horoball recipes` lists them');
  command.option('--json', 'print every step and evaluation as a line of JSON on stdout');
  command.option(
    '--resume <run>',
    "go on with a run folder; 'auto': with the run of these options that was broken off, or a new one",
  );
  command.addOption(dashboardOption());
  command.addOption(localRank('local_rank'));
  command.addOption(localRank('local-rank'));
  addRunOptions(command);
  addNotes(command, notes);
  command.action(async (options: Record<string, unknown>) => {
    const file = options['config'] as string | undefined;
    const recipe = options['recipe'] as string | undefined;
    const layers = [
      recipe === undefined ? {} : { ...findRecipe(recipe).options },
      file === undefined ? {} : await readConfig(file),
      givenOptions(options),
    ];
    const given = layers.reduce(over);
    if ((options['resume'] ?? 'auto') === 'auto') checkNamed(given);
    const notes: string[] = [];
    const { config, folder } = await planRun(
      given as Partial<RunConfig>,
      options['resume'] as string | undefined,
      (text) => notes.push(text),
    );
    if (folder !== null && given['path'] === undefined && config.ds !== 'shapes')
      checkDataPath(folder, config); // shapes are drawn where they are missing
    const dashboard = dashboardPort('train', options['dashboard']);
    await runTraining(config, { json: options['json'] === true, resume: folder, dashboard, notes });
  });
  return command;
}

/** The published launcher gives each of its processes a number; here there is one, whose number is 0. */
function localRank(name: string): Option {
  return new Option(`--${name} <n>`).choices(['0']).hideHelp();
}

/** Refuses a place of data that are not named: drawing the built-in ones there is hardly what was meant. */
function checkNamed({ ds, path }: Readonly<Record<string, unknown>>): void {
  if (ds !== undefined || path === undefined) return;
  const message = `[train] ds: expected the data set that ${path} holds, got none (--ds SOP is the published default, --ds shapes the one that is drawn)`;
  throw coded('ERR_HOROBALL_OPTION', message, RangeError);
}

/** A run's configuration; the name stays with the run that had it. */
async function readConfig(file: string): Promise<Record<string, unknown>> {
  try {
    const { name: _, ...config } = JSON.parse(await readFile(file, 'utf8')) as Record<string, unknown>;
    return config;
  } catch (error) {
    const why = error instanceof SyntaxError ? 'it is not JSON' : reasonOf(error);
    throw coded(
      'ERR_HOROBALL_CONFIG',
      `[train] config: expected a JSON file with a run's options, got ${file} (${why})`,
    );
  }
}
