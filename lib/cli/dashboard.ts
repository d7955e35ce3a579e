import { once } from 'node:events';
import { Command, Option } from 'commander';
import { defaultPort } from '../train/dashboard/local-server.ts';
import { serveRuns } from '../train/dashboard/runs-server.ts';
import { dashboardPort } from './dashboard-option.ts';
import { addNotes, type Notes } from './help.ts';
import { interruptible } from './interrupt.ts';
import { jsonLine } from './json.ts';

const notes: Notes = {
  paragraphs: [
    'The page lists all runs of the folder and of the studies in it, compares the curves of those you select, and follows runs that are training. It is available on this machine only, until you press Ctrl-C. A run that trains with --dashboard serves its own page.',
  ],
  examples: [
    ['all runs in runs/', 'horoball dashboard'],
    ['one study', 'horoball dashboard runs/sweep-shapes'],
  ],
};

/** `horoball dashboard`: serves a live page of a folder of runs. */
export function dashboardCommand(): Command {
  const command = new Command('dashboard')
    .description('serve a live page that compares the runs of a folder')
    .argument('[folder]', 'folder of runs, or of a study (default runs)')
    .addOption(
      new Option('--port <port>', 'port of the page; 0 picks a free port').default(String(defaultPort)),
    )
    .option('--json', 'print the address as a JSON object on stdout')
    .action(async (folder: string | undefined, { port, json }: { port: string; json?: boolean }) => {
      await using server = await serveRuns(folder ?? 'runs', dashboardPort('[dashboard] port', port)!);
      using interrupt = interruptible(() => {});
      if (json) jsonLine({ type: 'page', url: server.url });
      process.stderr.write(`Live page: ${server.url}\n`);
      await once(interrupt.signal, 'abort');
      process.exitCode = interrupt.code;
    });
  addNotes(command, notes);
  return command;
}
