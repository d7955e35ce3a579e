import { readFile } from 'node:fs/promises';
import test from 'ava';
import { optionNames, optionOf } from '../../../lib/train/options/options.ts';
import { parseConfig } from '../../../lib/train/options/resolve.ts';
import { adviceOn, type TimmOption, timmAdvice, timmOptions } from '../../../lib/train/options/timm.ts';

const any = (): boolean => true;

test('names are unique, and are not options or aliases', (t) => {
  const names = timmOptions.flatMap((each) => each.names);
  t.is(new Set(names).size, names.length);
  const accepted: string[] = optionNames.flatMap((name) => [name, ...(optionOf(name).aliases ?? [])]);
  t.deepEqual(
    names.filter((name) => accepted.includes(name)),
    [],
  );
});

test('every example value is valid, and notes name existing options', (t) => {
  for (const { option, value, note, names } of timmOptions) {
    t.true(option !== undefined || note !== undefined, names[0]);
    if (value !== undefined) t.true(optionOf(option!).schema.safeParse(value).success, names[0]);
    for (const [, name, given] of (note ?? '').matchAll(/--(\w+)(?: ([\d.,]+))?/g)) {
      t.true((optionNames as string[]).includes(name!), name);
      if (given !== undefined) t.true(optionOf(name as never).schema.safeParse(given).success, note);
    }
  }
});

test('advises on the spellings of a command line', (t) => {
  for (const given of ['--amp', '--amp-dtype', '--amp_dtype=float16'])
    t.is(timmAdvice(given, any), 'Use --precision bfloat16.');
  t.is(timmAdvice('-j8', any), 'Use --workers.');
  t.is(timmAdvice('--warmup-epochs', any), 'Use --warmup (in steps).');
  t.regex(timmAdvice('--opt', any)!, /^The optimizer is AdamW\. /);
  t.is(timmAdvice('--epp', any), null);
  t.is(timmAdvice('--constructor', any), null);
});

test('advises only on options that the command accepts', (t) => {
  const accepts = (name: string): boolean => name === 'crop';
  t.is(timmAdvice('--img-size', accepts), 'Use --crop (one side, in pixels).');
  t.is(timmAdvice('--amp', accepts), null);
  t.is(timmAdvice('--opt', accepts), null, 'the command does not train');
});

test('the library advises without dashes', (t) => {
  t.is(adviceOn('epochs'), 'Use ep.');
  t.is(adviceOn('batchSize'), 'Use bs.');
  t.is(adviceOn('learningRate'), 'Use lr.');
  t.is(adviceOn('numSamples'), 'Use num_samples.');
  t.is(adviceOn('modelEma'), 'Use ema 0.999 (the decay per step).');
  t.is(adviceOn('model-ema'), 'Use ema 0.999 (the decay per step).');
  t.is(adviceOn('epp'), 'See npx horoball train --help.');
  t.throws(() => parseConfig({ sched: 'cosine' }), {
    message: /got 'sched'\. Use schedule \(constant or cosine\)\.$/,
  });
});

/** Returns the row of the guide's table for an option of timm. */
function row({ names, option, value, note }: TimmOption): string {
  const dashed = names.map((name) => `\`${name.length === 1 ? '-' : '--'}${name.replaceAll('_', '-')}\``);
  const example =
    option === undefined ? undefined : `\`--${option}${value === undefined ? '' : ` ${value}`}\``;
  const text = note?.replaceAll(/--\w+(?: (?:folder|[\d.,]*\d))?/g, '`$&`').replaceAll('``', '`');
  return `| ${dashed.join(', ')} | ${[example, text].filter((each) => each !== undefined).join(': ')} |`;
}

test('the migration guide has the same table', async (t) => {
  const guide = await readFile(new URL('../../../../lib/guide/migration.md', import.meta.url), 'utf8');
  const table = /^\| timm \| horoball \|\n\| --- \| --- \|\n((?:\|.*\n)+)/m.exec(guide)![1]!;
  t.deepEqual(table.trimEnd().split('\n'), timmOptions.map(row));
});
