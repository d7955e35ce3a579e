// The `--help` text of every command fits 80 columns, its examples parse unchanged, and a run option has the same
// description in all commands.
import test, { type ExecutionContext } from 'ava';
import { describe, isFlag } from '../../lib/train/options/define.ts';
import { optionOf } from '../../lib/train/options/options.ts';
import { axisNames } from '../../lib/train/study/axes.ts';
import { horoball } from './run.ts';

const nested: Record<string, readonly string[]> = {
  data: ['data check'],
  weights: ['weights pull', 'weights list'],
};

async function help(command: string): Promise<string> {
  const { code, stdout } = await horoball([...command.split(' ').filter((word) => word !== ''), '--help']);
  if (code !== 0) throw new Error(`${command} --help ended with ${code}`);
  return stdout;
}

const root = await help('');
const names = [...root.matchAll(/^ {2}([a-z]+) /gm)].map(([, name]) => name!);
const commands = names
  .filter((name) => name !== 'help' && name !== 'bench')
  .flatMap((name) => nested[name] ?? [name]);

/** The command lines under "Examples:", with continued lines joined. */
function examples(text: string): string[] {
  const joined = text.replaceAll(/ \\\n +/g, ' ');
  return [...joined.matchAll(/^ {2}\$ horoball (.+)$/gm)].map(([, line]) => line!);
}

async function checkLine(t: ExecutionContext, line: string): Promise<void> {
  const command = commands.find((name) => line === name || line.startsWith(`${name} `));
  if (command === undefined) return t.fail(`${line}: the command does not exist`);
  const text = await help(command);
  for (const [option] of line.matchAll(/--[\w-]+/g))
    t.regex(text, new RegExp(`^ {2}(-\\w, )?${option}\\b`, 'm'), line);
}

test('every command belongs to a help group', (t) => {
  t.is(names.length, 20);
  t.notRegex(root, /^(Commands|Options):\n {2}[a-z]/m);
});

for (const command of ['', ...commands]) {
  test(`horoball ${command} --help`, async (t) => {
    const text = await help(command);
    const wide = text.split('\n').filter((line) => line.length > 80);
    t.deepEqual(wide, []);
    t.notRegex(text, /choices:|default: |preset: /, 'in the words of the options of a run');
    const shown = examples(text);
    t.true(shown.length > 0 || command === 'weights list');
    for (const line of shown) await checkLine(t, line);
  });
}

test('sweep and train list the same run options with the same descriptions, in the same order', async (t) => {
  const flat = (text: string): string => text.replaceAll(/\s+/g, ' ');
  const [train, sweep] = [await help('train'), await help('sweep')];
  for (const key of axisNames) {
    if (isFlag(optionOf(key))) continue;
    const words = `${describe(optionOf(key))} (default `;
    t.true(flat(train).includes(`--${key} <value> ${words}`), key);
    t.true(flat(sweep).includes(`--${key} <values> ${words}`), key);
  }
  const order = (text: string): string[] =>
    [...text.matchAll(/^ {2}--(\w+)/gm)]
      .map(([, key]) => key!)
      .filter((key) => axisNames.includes(key as never));
  t.deepEqual(order(sweep), order(train));
  t.deepEqual(order(sweep).sort(), [...axisNames].sort());
});

test('search shows no data-set defaults, because it reads a folder', async (t) => {
  t.regex(await help('embed'), /with\s+--ds\s+shapes/);
  t.notRegex(await help('search'), /with\s+--ds\s+shapes/);
});
