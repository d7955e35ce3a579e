// Checks the records of run options, and that no other list in lib contains option names.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { optionsOf } from '../../../lib/cli/run-options.ts';
import {
  appliesTo,
  defaultsFor,
  learnable,
  learnableOf,
  optionNames,
  optionOf,
  optionsWhere,
  temperaturesOf,
} from '../../../lib/train/options/options.ts';
import { parseConfig, storedConfig } from '../../../lib/train/options/resolve.ts';
import { axisNames } from '../../../lib/train/study/axes.ts';

test('every default is valid for its option, with every data set and head', (t) => {
  for (const ds of ['shapes', 'CUB', 'constructor', null]) {
    for (const head of ['hypmix', 'hyp-vit', 'toString', null]) {
      const defaults = defaultsFor(ds, head);
      for (const name of optionNames) {
        const { success, data } = optionOf(name).schema.safeParse(defaults[name]);
        t.true(success && data === defaults[name], `${name} of ${ds} with ${head}: ${defaults[name]}`);
      }
    }
  }
});

test('the help of an option is one phrase, to which the accepted values are appended', (t) => {
  for (const name of optionNames) {
    const { help, unit } = optionOf(name);
    t.notRegex(help, /^[A-Z]|[:.]( |$)/, name);
    t.is(/\((pixels|seconds)\)/.test(help), false, `${name}: the unit is ${unit}`);
  }
});

test('shorthands and learnable scalars refer to existing options', (t) => {
  for (const target of optionNames.flatMap((name) => optionOf(name).sets ?? []))
    t.true((optionNames as readonly string[]).includes(target), target);
  t.deepEqual(learnable, ['t_e', 't_h', 'hyp_c']);
  t.regex(optionOf('learn').expected, /t_e, t_h, hyp_c/);
});

test('each geometry depends on its own scalars only', (t) => {
  t.deepEqual(learnableOf('hybrid'), ['t_e', 't_h', 'hyp_c']);
  t.deepEqual(learnableOf('euclidean'), ['t_e']);
  t.deepEqual(temperaturesOf('hyperbolic'), ['t_h']);
  t.deepEqual(learnableOf('chordal'), ['t_h', 'hyp_c']);
  const [euclidean, hybrid] = [{ geometry: 'euclidean' }, { geometry: 'hybrid' }] as const;
  t.true(appliesTo('beta', euclidean) && !appliesTo('beta', hybrid) && appliesTo('seed', hybrid));
  t.true(appliesTo('alpha', { ...hybrid, loss: 'proxy-anchor' }));
  t.false(appliesTo('alpha', { ...hybrid, loss: 'multi-similarity' }));
});

test('an option that does not affect results never prevents a resume', (t) => {
  const harmless = optionsWhere(({ affectsResult }) => affectsResult === false);
  t.deepEqual(
    harmless.filter((name) => optionOf(name).resume === undefined),
    [],
  );
  t.true(harmless.includes('save_emb') && !harmless.includes('lr'));
});

test('each command accepts the listed options', (t) => {
  const reading = [
    'ds',
    'path',
    'resize',
    'crop',
    'workers',
    'cache',
    'strict',
    'precision',
    'device',
    'threads',
  ];
  const loss = ['t_e', 't_h', 'lam', 'compat', 'save_emb', 'emb_name'];
  const backbone = ['model', 'weights'];
  const network = ['head', 'emb', 'hyp_c', 'clip_r', 'seed'];
  t.true([...reading, ...loss, ...backbone].every((name) => optionsOf('eval').includes(name as never)));
  t.true([...reading, ...backbone, ...network].every((name) => optionsOf('embed').includes(name as never)));
  t.false(optionsOf('eval').some((name) => network.includes(name)));
  t.deepEqual(
    optionNames.filter((name) => !axisNames.includes(name)),
    ['runs', 'name'],
  );
});

test('options missing from a configuration of an earlier version get their defaults', (t) => {
  const { save_emb: _, memory: __, ...earlier } = parseConfig({ ds: 'CUB', bs: 90 });
  t.deepEqual(parseConfig(earlier), parseConfig({ ds: 'CUB', bs: 90 }));
  const { background: ___, ...before } = parseConfig({ ds: 'CUB' });
  t.deepEqual(storedConfig(before), parseConfig({ ds: 'CUB', background: 'drop' }));
  t.is(storedConfig({ ds: 'CUB', background: 'black' }).background, 'black');
});

/** Arrays of two or more literals that are all names of options. */
function listsIn(source: string): string[] {
  const code = source.replaceAll(/\/\*[\s\S]*?\*\/|(?:^|\s)\/\/ .*$/gm, '');
  const known = new Set<string>(optionNames);
  return [...code.matchAll(/\[[^[\]()`]*\]/g)].flatMap(([array]) => {
    const items = array
      .slice(1, -1)
      .split(',')
      .map((item) => /^\s*'(\w+)'(?: as const)?\s*$/.exec(item)?.[1]);
    const literals = items.filter((item) => item !== undefined);
    const named = literals.length >= 2 && literals.every((item) => known.has(item));
    return named ? [array.replaceAll(/\s+/g, ' ')] : [];
  });
}

test('no list in lib outside the records contains option names', async (t) => {
  t.is(listsIn("const free = [\n  'runs',\n  'name',\n] as const;").length, 1);
  t.is(listsIn("new Set<keyof RunConfig>(['ds', ...(['t_e', 't_h'] as const)])").length, 1);
  t.is(
    listsIn("const part = ['name', inName, 'its name says']; // ['ds', 'path']\nsquare('t_e', 't_h')").length,
    0,
  );
  t.is(listsIn("const wrappers = ['state_dict', 'model', 'weights']").length, 0);
  const lib = fileURLToPath(new URL('../../../../lib/', import.meta.url));
  const files = (await readdir(lib, { recursive: true })).filter((file) => file.endsWith('.ts'));
  t.true(files.length > 150);
  const found: string[] = [];
  for (const file of files.filter((file) => !/^train[/\\]options[/\\]/.test(file))) {
    const lists = listsIn(await readFile(join(lib, file), 'utf8'));
    found.push(...lists.map((list) => `${file}: ${list}`));
  }
  t.deepEqual(found, []);
});

test('the values of an option are listed once in lib', async (t) => {
  const choices = optionNames
    .map((name) => Array.from(optionOf(name).expected.matchAll(/'([\w-]+)'/g), ([, value]) => value!))
    .filter((values) => values.length > 1);
  t.true(choices.length > 5);
  const lib = fileURLToPath(new URL('../../../../lib/', import.meta.url));
  const lists: string[][] = [];
  for (const file of (await readdir(lib, { recursive: true })).filter((file) => file.endsWith('.ts'))) {
    const code = await readFile(join(lib, file), 'utf8');
    for (const [, items] of code.matchAll(/\[((?:\s*'[\w-]+',?)+\s*)\]/g))
      lists.push(Array.from(items!.matchAll(/'([\w-]+)'/g), ([, value]) => value!));
  }
  const isSame = (one: readonly string[], other: readonly string[]) =>
    one.toSorted().join() === other.toSorted().join();
  t.deepEqual(
    choices.filter((values) => lists.filter((list) => isSame(list, values)).length > 1),
    [],
  );
});
