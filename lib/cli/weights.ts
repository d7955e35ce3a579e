import { Command, Option } from 'commander';
import { findPulled, type HashSource, pullWeights } from '../train/weights/pull.ts';
import { publishedWeights } from '../train/weights/registry.ts';
import { addNotes } from './help.ts';
import { interruptible } from './interrupt.ts';
import { jsonLine } from './json.ts';
import { Meter } from './meter.ts';
import { textTable } from './table.ts';

interface PullFlags {
  cache?: string;
  force?: boolean;
  json?: boolean;
}

/** `horoball weights`: downloads pretrained backbones. */
export function weightsCommand(): Command {
  const command = new Command('weights')
    .description('download pretrained backbones')
    .usage('<command> [options]');
  const puller = command
    .command('pull')
    .description('download weights to the cache and verify their SHA-256; resumes interrupted downloads')
    .argument('<name-or-url>', 'a name from `horoball weights list`, or an http(s) URL')
    .addOption(cacheOption())
    .option(
      '--force',
      'download again, and accept the file even if its SHA-256 differs from that of the earlier download',
    )
    .option('--json', 'print the location of the file as one JSON object on stdout')
    .action(pull);
  addNotes(puller, {
    paragraphs: [
      '`horoball train --weights` accepts the same name or URL; --weights auto finds pulled weights.',
    ],
    examples: [
      ['the published weights of a model', 'horoball weights pull vit_small_patch16_224'],
      ['any URL', 'horoball weights pull https://example.org/model.safetensors'],
    ],
  });
  command
    .command('list')
    .description('list the weights that are available by name')
    .addOption(cacheOption())
    .option('--json', 'print one JSON object per entry on stdout')
    .action(list);
  return command;
}

function cacheOption(): Option {
  const standard = "the weights folder in horoball's cache";
  return new Option('--cache <folder>', 'cache folder').default(undefined, standard);
}

const checkedText: Readonly<Record<HashSource, string>> = {
  host: 'as reported by the host',
  name: 'as in the file name',
  earlier: 'as in the first download',
  first:
    'which is unverified because the host reports none; it is recorded, and later downloads must match it',
};

async function pull(source: string, { cache, force, json }: PullFlags): Promise<void> {
  using meter = new Meter();
  using interrupt = interruptible((text) => meter.say(text));
  const pulled = await pullWeights(source, {
    cache,
    force,
    signal: interrupt.signal,
    onProgress: (done, total) => countMegabytes(meter, done, total),
  });
  meter.say(`${pulled.fresh ? 'Downloaded' : 'Already downloaded'}: ${pulled.path}`);
  meter.say(`SHA-256 ${pulled.sha256}, ${checkedText[pulled.checked]}.`);
  if (json) jsonLine(pulled);
}

/** Shows the progress in megabytes, rounded down until all bytes have arrived. */
function countMegabytes(meter: Meter, done: number, total: number | null): void {
  const all = total === null ? null : Math.ceil(total / 1e6);
  meter.count('downloading', done === total ? all! : Math.floor(done / 1e6), all, 'MB');
}

const listNote =
  'License: as stated by the distributor. SHA-256: of the downloaded file. If it is unknown, the first download records it, and later downloads must match it.';

async function list({ cache, json }: PullFlags): Promise<void> {
  const rows: string[][] = [['Name', 'Model', 'Pretraining', 'License', 'Size', 'SHA-256', 'Cached']];
  for (const { name, model, url, source, license, bytes } of publishedWeights) {
    const pulled = await findPulled(name, cache);
    const hash = pulled?.sha256 ?? null;
    const size = `${pulled === null ? 'about ' : ''}${Math.round((pulled?.bytes ?? bytes) / 1e6)} MB`;
    const short = hash === null ? 'unknown' : `${hash.slice(0, 12)}...`;
    rows.push([name, model, source, license, size, short, pulled === null ? 'no' : 'yes']);
    const known = { sha256: hash, bytes: pulled?.bytes ?? null, approximateBytes: bytes };
    if (json) jsonLine({ name, model, url, source, license, ...known, path: pulled?.path ?? null });
  }
  if (json) return;
  process.stdout.write(`${textTable(rows)}\n\n${listNote}\n`);
}
