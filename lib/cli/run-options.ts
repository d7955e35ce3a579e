import { type Command, Option } from 'commander';
import { fields, publishedDefaults, type RunConfig, shapesDefaults } from '../train/config.ts';

const keys = Object.keys(fields) as (keyof RunConfig)[];

/** Adds every option of a run to a command; `-` and `_` inside a name are the same, as the published code has `_`. */
export function addRunOptions(command: Command): void {
  for (const key of keys) {
    command.addOption(new Option(flagsOf(key, key), helpOf(key)));
    if (key.includes('_')) command.addOption(new Option(flagsOf(key.replaceAll('_', '-'), key)).hideHelp());
  }
}

/** The options that were given, by their published names; the values are text or true. */
export function givenOptions(
  options: Readonly<Record<string, unknown>>,
): Partial<Record<keyof RunConfig, unknown>> {
  const given = keys.map((key) => [key, options[key] ?? options[camelCase(key)]] as const);
  return Object.fromEntries(given.filter(([, value]) => value !== undefined));
}

function flagsOf(name: string, key: keyof RunConfig): string {
  return typeof publishedDefaults[key] === 'boolean' ? `--${name}` : `--${name} <value>`;
}

function helpOf(key: keyof RunConfig): string {
  const { help, expected } = fields[key];
  if (typeof publishedDefaults[key] === 'boolean') return help;
  const shapes = shapesDefaults[key];
  const other = shown(publishedDefaults[key]);
  const defaults =
    key === 'ds' ? 'shapes' : shapes === undefined ? other : `${other}; with shapes ${shown(shapes)}`;
  return `${help}: ${expected} (default ${defaults})`;
}

function shown(value: unknown): string {
  return value === null ? 'None' : String(value);
}

/** How commander calls `--num-samples`. */
function camelCase(key: string): string {
  return key.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
}
