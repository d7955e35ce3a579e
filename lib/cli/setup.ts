import { Command } from 'commander';

import { setup } from '../setup/setup.ts';
import { Meter } from '../train/progress.ts';
import { addNotes, type Notes } from './help.ts';
import { jsonLine } from './json.ts';

interface Options {
  libtorch?: string;
  force?: boolean;
  json?: boolean;
}

const notes: Notes = {
  paragraphs: [
    "libtorch is looked for in this order: the folder that LIBTORCH names, with LIBTORCH_USE_PYTORCH=1 the torch of python3, what setup chose before, a python3 that has torch, the system's. If there is none it is installed: by pip, from the official archive or, as root on Debian and Ubuntu, by apt-get. Building the addon needs cmake and a C++20 compiler.",
  ],
  examples: [
    ['find or install what is missing', 'horoball setup'],
    ['take an archive that was downloaded', 'horoball setup --libtorch libtorch.zip'],
  ],
};

/** `horoball setup`: finds or installs libtorch and builds the training addon. */
export function setupCommand(): Command {
  const command = new Command('setup')
    .description('find or install libtorch and build the training addon')
    .option('--libtorch <path>', 'take libtorch from this folder, archive (.zip) or wheel (.whl)')
    .option('--force', 'build again even if nothing has changed')
    .option('--json', 'print what was found as a line of JSON on stdout')
    .action(async (options: Options) => {
      using meter = new Meter();
      const ui = {
        say: (text: string): void => meter.say(text),
        progress: (done: number, total: number, text: string): void => meter.update(done, total, text),
      };
      const result = await setup({ libtorch: options.libtorch, force: options.force }, ui);
      const { libtorch, addon, changed } = result;
      meter.say(
        `${changed ? 'Ready' : 'Nothing to do'}: libtorch ${libtorch.version} (${libtorch.origin}, ${libtorch.lib})`,
      );
      if (changed) meter.say(`Training addon: ${addon.file}`);
      if (options.json) jsonLine(result);
    });
  addNotes(command, notes);
  return command;
}
