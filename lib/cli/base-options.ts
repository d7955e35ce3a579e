import type { Command } from 'commander';
import { z } from 'zod';
import { coded } from '../errors.ts';
import { reasonOf } from '../io/file-errors.ts';
import { readRecordFile } from '../io/record-file.ts';
import { findRecipe } from '../train/options/recipes.ts';
import { overrideOptions } from '../train/options/resolve.ts';

/** Adds --config and --recipe, which each select a set of run options. */
export function addBaseOptions(command: Command): void {
  command.option('--config <file>', 'read options from a JSON file, such as the config.json of a run');
  command.option('--recipe <name>', 'start from the options of a recipe; `horoball recipes` lists them');
}

/**
 * Returns the run options of --recipe, overridden by those of --config.
 * @param command - name of the command, for errors
 */
export async function baseOptions(
  command: string,
  { recipe, config }: Readonly<Record<string, unknown>>,
): Promise<Record<string, unknown>> {
  const lower = recipe === undefined ? {} : findRecipe(recipe as string, `[${command}] recipe`).options;
  return config === undefined
    ? { ...lower }
    : overrideOptions(lower, await readConfig(command, config as string));
}

const optionsSchema = z.record(z.string(), z.unknown());

/** Reads the options of a configuration file, except `name`, which identifies a single run. */
async function readConfig(command: string, file: string): Promise<Record<string, unknown>> {
  try {
    const options = optionsSchema.safeParse(await readRecordFile(file));
    if (!options.success) throw new Error('it contains no options');
    const { name: _, ...config } = options.data;
    return config;
  } catch (error) {
    const why = reasonOf(error).replace(`${file} cannot be used: `, '');
    throw coded(
      'ERR_HOROBALL_CONFIG',
      `[${command}] config: expected a JSON file with run options, got ${file} (${why}). Pass a file such as the config.json of a run.`,
    );
  }
}
