import { Command } from 'commander';

import { setup } from '../setup/setup.ts';
import type { Ui } from '../setup/ui.ts';
import { addNotes, type Notes } from './help.ts';
import { jsonLine } from './json.ts';
import { Meter } from './meter.ts';

interface Options {
  libtorch?: string;
  sha256?: string;
  force?: boolean;
  json?: boolean;
}

const notes: Notes = {
  paragraphs: [
    "setup looks for libtorch in this order: the folder in LIBTORCH; the torch package of python3 if LIBTORCH_USE_PYTORCH=1; the libtorch that setup chose earlier; the torch package of python3; the system's libtorch. If none is found, setup installs it with pip, from the official archive or, as root on Debian and Ubuntu, with apt-get. Building the addon needs cmake and a C++20 compiler.",
  ],
  examples: [
    ['find or install everything that is missing', 'horoball setup'],
    ['use a downloaded archive', 'horoball setup --libtorch libtorch.zip'],
  ],
};

/** Shows the messages and progress of setup on a meter. */
export function setupUi(meter: Meter): Ui {
  return {
    say: (text) => meter.say(text),
    progress: (done, total, label, unit) => meter.count(label, done, total, unit),
    steps: (done, total, label) => meter.steps(label, done, total),
    status: (text) => meter.update(0, null, [text]),
  };
}

/** `horoball setup`: finds or installs libtorch and builds the training addon. */
export function setupCommand(): Command {
  const command = new Command('setup')
    .description('find or install libtorch and build the training addon')
    .option('--libtorch <path>', 'use the libtorch in this folder, archive (.zip) or wheel (.whl)')
    .option('--sha256 <hash>', 'expected SHA-256 of the archive or wheel of --libtorch')
    .option('--force', 'rebuild even if nothing has changed')
    .option('--json', 'print the result as one JSON object on stdout')
    .action(async (options: Options) => {
      using meter = new Meter();
      const result = await setup(
        { libtorch: options.libtorch, sha256: options.sha256, force: options.force },
        setupUi(meter),
      );
      const { libtorch, addon, changed } = result;
      meter.say(
        `${changed ? 'Ready' : 'The training addon is up to date'}: libtorch ${libtorch.version} (${libtorch.origin}, ${libtorch.lib})`,
      );
      if (changed) meter.say(`Training addon: ${addon.file}`);
      if (options.json) jsonLine(result);
    });
  addNotes(command, notes);
  return command;
}
