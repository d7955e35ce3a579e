import { Command } from 'commander';
import { checkDataset, type DatasetCheck } from '../train/data/check.ts';
import { datasetNames, openDataset } from '../train/data/dataset.ts';
import { Meter } from '../train/progress.ts';
import { addNotes } from './help.ts';
import { interruptible } from './interrupt.ts';
import { jsonLine } from './json.ts';

/** Unreadable pictures that are named; the rest are counted (`--json` has all). */
const named = 20;

interface Options {
  path: string;
  decode?: boolean;
  json?: boolean;
}

/** `horoball data check`: exit code 1 when a picture is missing or damaged. */
export function dataCommand(): Command {
  const check = new Command('check')
    .description('compare a data set with its published counts and look for missing or damaged pictures')
    .usage('[options] --path <folder> <name>')
    .argument('<name>', `one of ${datasetNames.join(', ')}`)
    .requiredOption(
      '--path <folder>',
      'folder that the data set was unpacked in, of csv the file; must be given',
    )
    .option('--decode', 'decode every picture, not only see that its file is there')
    .option('--json', 'print what was found as a line of JSON on stdout')
    .action(run);
  addNotes(check, {
    paragraphs: ['The exit code is 1 where a picture is missing or cannot be read.'],
    examples: [
      ['a published data set', 'horoball data check CUB --path CUB_200_2011'],
      [
        'every picture of a folder of class folders',
        'horoball data check folder --path my-pictures --decode',
      ],
    ],
  });
  return new Command('data').description('look at data sets').usage('<command> [options]').addCommand(check);
}

async function run(name: string, { path, decode = false, json = false }: Options): Promise<void> {
  using meter = new Meter();
  using interrupt = interruptible((text) => meter.say(text));
  const onProgress = (done: number, total: number): void => meter.update(done, total, 'pictures');
  const { signal } = interrupt;
  const result = await checkDataset(await openDataset(name, path), { decode, onProgress, signal });
  meter.end();
  if (json) jsonLine(result);
  for (const line of lines(result)) meter.say(line);
  if (result.unreadable.length > 0) process.exitCode = 1;
}

function lines({ name, root, splits, warnings, unreadable }: DatasetCheck): string[] {
  const counts = Object.entries(splits).map(([split, { pictures, classes }]) => {
    return `  ${split.padEnd(8)}${pictures} pictures of ${classes} classes`;
  });
  const bad = unreadable.slice(0, named).map(({ path, reason }) => `  ${path}: ${reason}`);
  if (unreadable.length > named) bad.push(`  and ${unreadable.length - named} more`);
  const count = unreadable.length;
  const verdict =
    count === 0 ? 'Every picture is there.' : `${count} picture${count === 1 ? '' : 's'} cannot be read:`;
  return [`${name} in ${root}`, ...counts, ...warnings.map((text) => `Note: ${text}.`), verdict, ...bad];
}
