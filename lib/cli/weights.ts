import { Command, Option } from 'commander';
import { Meter } from '../train/progress.ts';
import { findPulled, type HashSource, pullWeights } from '../train/weights/pull.ts';
import { publishedWeights } from '../train/weights/registry.ts';
import { addNotes } from './help.ts';
import { interruptible } from './interrupt.ts';
import { jsonLine } from './json.ts';
import { textTable } from './table.ts';

interface PullFlags {
  cache?: string;
  force?: boolean;
  json?: boolean;
}

/** `horoball weights`: fetches pretrained backbones. */
export function weightsCommand(): Command {
  const command = new Command('weights')
    .description('fetch pretrained backbones')
    .usage('<command> [options]');
  const puller = command
    .command('pull')
    .description('download weights into the cache, checked by SHA-256; goes on where it stopped')
    .argument('<name-or-url>', 'a name that `horoball weights list` shows, or an http(s) URL')
    .addOption(cacheOption())
    .option('--force', 'download again, and take what comes for the right file')
    .option('--json', 'print where the file is as a line of JSON on stdout')
    .action(pull);
  addNotes(puller, {
    paragraphs: [
      '`horoball train --weights` takes the same name or URL; --weights auto finds what was pulled.',
    ],
    examples: [
      ['the published weights of a model', 'horoball weights pull vit_small_patch16_224'],
      ['any file', 'horoball weights pull https://example.org/model.safetensors'],
    ],
  });
  command
    .command('list')
    .description('list the published weights that are known by name')
    .addOption(cacheOption())
    .option('--json', 'print one line of JSON for each on stdout')
    .action(list);
  return command;
}

function cacheOption(): Option {
  const standard = "weights in horoball's cache folder";
  return new Option('--cache <folder>', 'folder of the cache').default(undefined, standard);
}

const checkedText: Readonly<Record<HashSource, string>> = {
  host: 'as the host announced',
  name: 'as its name says',
  earlier: 'as at the first download',
  first:
    'which nobody vouches for: the host gives none, so it is noted, and later downloads must have the same',
};

async function pull(source: string, { cache, force, json }: PullFlags): Promise<void> {
  using meter = new Meter();
  using interrupt = interruptible((text) => meter.say(text));
  const pulled = await pullWeights(source, {
    cache,
    force,
    signal: interrupt.signal,
    onProgress: (done, total) => showProgress(meter, done, total),
  });
  meter.say(`${pulled.fresh ? 'Downloaded' : 'Already there'}: ${pulled.path}`);
  meter.say(`SHA-256 ${pulled.sha256}, ${checkedText[pulled.checked]}.`);
  if (json) jsonLine(pulled);
}

/** In megabytes, so that the last one is only full when all bytes are there. */
function showProgress(meter: Meter, done: number, total: number | null): void {
  if (total === null) return;
  const all = Math.ceil(total / 1e6);
  meter.update(done === total ? all : Math.floor(done / 1e6), all, 'MB');
}

async function list({ cache, json }: PullFlags): Promise<void> {
  const rows: string[][] = [['Name', 'Model', 'In the cache']];
  for (const { name, model, url } of publishedWeights) {
    const pulled = await findPulled(name, cache);
    rows.push([name, model, pulled === null ? 'no' : 'yes']);
    if (json) jsonLine({ name, model, url, path: pulled?.path ?? null });
  }
  if (!json) process.stdout.write(`${textTable(rows)}\n`);
}
