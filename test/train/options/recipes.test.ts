import test from 'ava';
import { findDataset } from '../../../lib/train/data/registry.ts';
import { commandOf, deviations, findRecipe, recipes } from '../../../lib/train/options/recipes.ts';
import { parseConfig } from '../../../lib/train/options/resolve.ts';

test('every recipe is a valid configuration of a known data set, under its own name', (t) => {
  t.is(new Set(recipes.map(({ name }) => name)).size, recipes.length);
  for (const recipe of recipes) {
    t.is(findRecipe(recipe.name), recipe);
    const config = parseConfig(recipe.options);
    t.like(config, recipe.options, recipe.name);
    t.truthy(findDataset(config.ds), recipe.name);
    t.is(config.bs % config.num_samples, 0, recipe.name);
    t.is(recipe.note === undefined, recipe.paper !== null, `${recipe.name} names the source of its settings`);
  }
});

test('Hyp-ViT has a recipe for each data set and backbone, with recall in percent where it was published', (t) => {
  const published = recipes.filter(({ paper }) => paper === 'Hyp-ViT');
  t.is(published.length, 4 * 3);
  for (const { name, options, recallAt1 } of published) {
    t.like(options, { head: 'hyp-vit', background: 'drop' }, name);
    if (recallAt1 !== null) t.true(recallAt1 > 50 && recallAt1 < 100, name);
  }
  t.is(findRecipe('hypvit-cub-vit').recallAt1, 85.6);
  t.is(findRecipe('hypvit-cub-deit').recallAt1, null);
});

/** Returns the options in a command line except `--path`: splits it into words as a shell does, and pairs names with values. */
function readBack(command: string): Record<string, unknown> {
  const words = [...command.matchAll(/"[^"]*"|'[^']*'|\S+/g)].map(([word]) =>
    word.replace(/^["']|["']$/g, ''),
  );
  const options: Record<string, unknown> = {};
  for (const [i, word] of words.entries()) {
    if (!word.startsWith('--') || word === '--path') continue;
    const next = words[i + 1];
    options[word.slice(2)] = next === undefined || next.startsWith('--') ? true : next;
  }
  return options;
}

test('the command of a recipe parses to its configuration', (t) => {
  for (const recipe of recipes) {
    const command = commandOf(recipe);
    t.deepEqual(parseConfig(readBack(command)), parseConfig(recipe.options), command);
    t.is(command.startsWith('npx horoball train --path DATA'), recipe.options.ds !== 'emoji', command);
  }
});

test('the error for an unknown name lists the known ones', (t) => {
  t.throws(() => findRecipe('emoj'), {
    instanceOf: RangeError,
    code: 'ERR_HOROBALL_OPTION',
    message:
      /^\[train\] recipe: expected one of hypmix-cub-vit, .*, emoji, got 'emoj'\. `npx horoball recipes` describes them\.$/,
  });
  t.throws(() => findRecipe('toString', '[sweep] recipe'), { message: /^\[sweep\] recipe: / });
});

test('differences from the published code are complete sentences', (t) => {
  for (const text of deviations) t.regex(text, /^[A-Z].*\.$/);
});
