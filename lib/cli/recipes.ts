import { Command } from 'commander';
import { parseConfig } from '../train/config.ts';
import { commandOf, deviations, findRecipe, type Recipe, recipes } from '../train/recipes.ts';
import { addNotes } from './help.ts';
import { jsonLine } from './json.ts';
import { folded, textTable } from './table.ts';

/** `horoball recipes`: the published commands, all they resolve to, and what they are known to give. */
export function recipesCommand(): Command {
  const command = new Command('recipes')
    .description('list the published commands of HypMix and Hyp-ViT; `train --recipe` runs one')
    .argument('[name]', 'one recipe, with every option that it resolves to')
    .option('--json', 'print one line of JSON for each on stdout')
    .action((name: string | undefined, { json = false }: { json?: boolean }) => {
      const chosen = name === undefined ? recipes : [findRecipe(name, '[recipes] name')];
      if (json) for (const recipe of chosen) jsonLine(whole(recipe));
      else process.stdout.write(`${name === undefined ? list() : detail(chosen[0]!)}\n`);
    });
  addNotes(command, {
    examples: [
      ['all of them', 'horoball recipes'],
      ['one, with every option', 'horoball recipes hypmix-cub-vit'],
    ],
  });
  return command;
}

function whole(recipe: Recipe): object {
  const { name, paper, options, recallAt1 } = recipe;
  const command = commandOf(recipe);
  return { name, paper, command, options, resolved: parseConfig(options), recallAt1, deviations };
}

function list(): string {
  const rows = recipes.map(({ name, paper, options, recallAt1 }) => [
    name,
    paper,
    options.ds!,
    options.model!,
    recallAt1 === null ? '-' : recallAt1.toFixed(1),
  ]);
  const table = textTable([['Name', 'Paper', 'Data', 'Backbone', 'Recall@1'], ...rows]);
  const more =
    'Recall@1 is the published one, in %. `horoball recipes <name>` shows a command and all its options.';
  return `${table}\n\n${folded(more)}\n\n${differs()}`;
}

function detail(recipe: Recipe): string {
  const { recallAt1, paper } = recipe;
  const expected =
    recallAt1 === null
      ? `${paper} names no Recall@1 for this backbone that is known here.`
      : `Published Recall@1: ${recallAt1} %`;
  const options = Object.entries(parseConfig(recipe.options)).map(([key, value]) => [
    key,
    String(value ?? 'None'),
  ]);
  const width = Math.max(...options.map(([key]) => key!.length));
  const lines = options.map(([key, value]) => `  ${key!.padEnd(width)}  ${value}`);
  return [commandOf(recipe), '', expected, '', 'Every option:', ...lines, '', differs()].join('\n');
}

function differs(): string {
  return [
    'Where the published code differs from what is done here:',
    ...deviations.map((text) => folded(`- ${text}`, 2)),
  ].join('\n');
}
