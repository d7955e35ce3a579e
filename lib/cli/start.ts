import { Command } from 'commander';
import { loadSharp } from '../io/sharp.ts';
import { setup } from '../setup/setup.ts';
import { parseConfig } from '../train/options/resolve.ts';
import { planRun } from '../train/run/plan.ts';
import { dashboardOption, dashboardPort } from './dashboard-option.ts';
import { addNotes, type Notes } from './help.ts';
import { Meter } from './meter.ts';
import { addRunOptions, givenOptions } from './run-options.ts';
import { setupUi } from './setup.ts';
import { runTraining } from './training.ts';

const notes: Notes = {
  examples: [
    ['about three minutes on two cores, after the first setup', 'horoball start'],
    ['the same with another geometry', 'horoball start --geometry euclidean'],
  ],
};

/** `horoball start`: runs setup, generates data, trains, evaluates and writes a report. */
export function startCommand(): Command {
  const command = new Command('start')
    .description('set up missing components, generate the built-in data set, train on it and write a report')
    .option('--json', 'print every step and evaluation as JSON lines on stdout');
  command.addOption(dashboardOption());
  addRunOptions(command);
  addNotes(command, notes);
  command.action(async (options: Record<string, unknown>) => {
    const notes: string[] = [];
    const note = (text: string): void => void notes.push(text);
    const config = parseConfig({ baselines: true, ...givenOptions('start', options, note) }, 'start');
    const dashboard = dashboardPort('[start] dashboard', options['dashboard']);
    await loadSharp(); // if it is missing, fails now rather than after a build that takes minutes
    using meter = new Meter();
    const { libtorch, changed } = await setup({}, setupUi(meter));
    if (changed) meter.say(`Built the training addon for libtorch ${libtorch.version} in ${libtorch.lib}.`);
    meter.end();
    const plan = await planRun(config, { note });
    await runTraining(plan, { json: options['json'] === true, dashboard, notes });
  });
  return command;
}
