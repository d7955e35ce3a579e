import { Command } from 'commander';
import { setup } from '../setup/setup.ts';
import { parseConfig } from '../train/config.ts';
import { loadJpegTurbo, loadSharp } from '../train/data/decoders.ts';
import { Meter } from '../train/progress.ts';
import { dashboardOption, dashboardPort } from './dashboard-option.ts';
import { addNotes, type Notes } from './help.ts';
import { addRunOptions, givenOptions } from './run-options.ts';
import { runTraining } from './training.ts';

const notes: Notes = {
  examples: [
    ['three minutes on two cores', 'horoball start'],
    ['once more by another geometry', 'horoball start --geometry euclidean'],
  ],
};

/** `horoball start`: the whole idea once, from nothing: set up, draw the pictures, train, evaluate, report. */
export function startCommand(): Command {
  const command = new Command('start')
    .description('set up what is missing, make the built-in data set, train on it and write a report')
    .option('--json', 'print every step and evaluation as a line of JSON on stdout');
  command.addOption(dashboardOption());
  addRunOptions(command);
  addNotes(command, notes);
  command.action(async (options: Record<string, unknown>) => {
    const config = parseConfig({ baselines: true, ...givenOptions(options) }, 'start');
    const dashboard = dashboardPort('start', options['dashboard']);
    await Promise.all([loadSharp(), loadJpegTurbo()]); // a build takes minutes: it is for nothing without pictures
    using meter = new Meter();
    const progress = (done: number, total: number, text: string): void => meter.update(done, total, text);
    const { libtorch, changed } = await setup({}, { say: (text) => meter.say(text), progress });
    if (changed)
      meter.say(`The training addon is built, for libtorch ${libtorch.version} in ${libtorch.lib}.`);
    meter.end();
    await runTraining(config, { json: options['json'] === true, dashboard });
  });
  return command;
}
