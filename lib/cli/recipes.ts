import { Command } from 'commander';
import { commandOf, deviations, findRecipe, type Recipe, recipes } from '../train/options/recipes.ts';
import { parseConfig } from '../train/options/resolve.ts';
import { addNotes } from './help.ts';
import { jsonLine } from './json.ts';
import { folded, textTable } from './table.ts';

/** `horoball recipes`: lists the published commands and other presets, with their options and the published results. */
export function recipesCommand(): Command {
  const command = new Command('recipes')
    .description(
      'list the published commands of HypMix and Hyp-ViT, and other presets; `train --recipe` runs one',
    )
    .argument('[name]', 'show one recipe with every option that it resolves to')
    .option('--json', 'print one JSON object per entry on stdout')
    .action((name: string | undefined, { json = false }: { json?: boolean }) => {
      const chosen = name === undefined ? recipes : [findRecipe(name, '[recipes] name')];
      if (json) for (const recipe of chosen) jsonLine(whole(recipe));
      else process.stdout.write(`${name === undefined ? list() : detail(chosen[0]!)}\n`);
    });
  addNotes(command, {
    examples: [
      ['all recipes', 'horoball recipes'],
      ['one recipe with all its options', 'horoball recipes hypmix-cub-vit'],
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
    paper ?? '-',
    options.ds!,
    options.model!.startsWith('{') ? 'a small ViT' : options.model!,
    recallAt1 === null ? '-' : recallAt1.toFixed(1),
  ]);
  const table = textTable([['Name', 'Paper', 'Data', 'Backbone', 'Recall@1'], ...rows]);
  const more =
    'Recall@1 is the published value in %. `npx horoball recipes <name>` shows the command and all its options.';
  return `${table}\n\n${folded(more)}\n\n${differs()}`;
}

function detail(recipe: Recipe): string {
  const { recallAt1, paper, note } = recipe;
  const result =
    recallAt1 === null
      ? `horoball lists no published Recall@1 of ${paper} for this backbone.`
      : `Published Recall@1: ${recallAt1}%`;
  const options = Object.entries(parseConfig(recipe.options)).map(([key, value]) => [
    key,
    String(value ?? 'None'),
  ]);
  const width = Math.max(...options.map(([key]) => key!.length));
  const lines = options.map(([key, value]) => `  ${key!.padEnd(width)}  ${value}`);
  return [commandOf(recipe), '', folded(note ?? result), '', 'Every option:', ...lines, '', differs()].join(
    '\n',
  );
}

function differs(): string {
  return [
    'How the published code differs from the defaults of horoball:',
    ...deviations.map((text) => folded(`- ${text}`, 2)),
  ].join('\n');
}
