import { type Command, Option } from 'commander';
import { describe, isFlag, type RunOption } from '../train/options/define.ts';
import { type OptionName, optionNames, optionOf, optionsWhere } from '../train/options/options.ts';

/** The options that a command takes in addition to `train`. */
export function optionsOf(command: 'eval' | 'embed' | 'export'): readonly OptionName[] {
  return optionsWhere(({ commands }) => commands?.includes(command) ?? false);
}

/** The options that describe a network which no run trained. */
export const networkOptions: readonly OptionName[] = optionsWhere(({ network }) => network === true);

/** See {@link addRunOptions}. */
export interface RunOptionsAdded {
  /** Which options; default all. */
  keys?: readonly OptionName[];
  /** Where an absent value comes from: the defaults, the run's own configuration, or that if there is a run. */
  from?: 'defaults' | 'run' | 'run or defaults';
  /** Options accept several values. */
  many?: boolean;
  /** Replacements for the default, if the command has its own. */
  defaults?: Readonly<Partial<Record<OptionName, string>>>;
}

/** Adds run options to a command; `-` and `_` in names are interchangeable, because the published code uses `_`. */
export function addRunOptions(
  command: Command,
  { keys = optionNames, from = 'defaults', many = false, defaults = {} }: RunOptionsAdded = {},
): void {
  const value = many ? '<values>' : '<value>';
  for (const name of optionNames.filter((each) => keys.includes(each))) {
    const option = optionOf(name);
    const flags = (spelled: string): string => (isFlag(option) ? `--${spelled}` : `--${spelled} ${value}`);
    const standard = defaults[name] ?? standardOf(option, from);
    const text = isFlag(option) ? describe(option) : `${describe(option)} (default ${standard})`;
    command.addOption(new Option(flags(name), text).helpGroup(`${option.group}:`));
    if (!name.includes('_')) continue;
    command.addOption(new Option(flags(name.replaceAll('_', '-'))).hideHelp());
  }
}

/** The given options by their published names; values are text or true. */
export function givenOptions(
  options: Readonly<Record<string, unknown>>,
): Partial<Record<OptionName, unknown>> {
  const given = optionNames.map((name) => [name, options[name] ?? options[camelCase(name)]] as const);
  return Object.fromEntries(given.filter(([, value]) => value !== undefined));
}

function standardOf(option: RunOption, from: RunOptionsAdded['from']): string {
  if (from === 'defaults') return defaultOf(option);
  return from === 'run' ? "the run's" : `the run's; without a run ${defaultOf(option)}`;
}

const origins = { option: ', as published', behavior: ', as in the published code' } as const;

function defaultOf(option: RunOption): string {
  const { default: standard, datasets, heads, compat, published, defaultText } = option;
  const origin = published === undefined ? '' : origins[published];
  const others = [
    ...Object.entries(datasets ?? {}).map(([name, value]) => `; with ${name} ${shown(value)}`),
    ...Object.entries(heads ?? {}).map(([name, value]) => `; with head ${name} ${shown(value)}`),
    ...Object.entries(compat ?? {}).map(([name, value]) => `; with compat ${name} ${shown(value)}`),
  ];
  const usual = `${shown(standard)}${origin}${others.join('')}`;
  return defaultText?.(usual) ?? usual;
}

function shown(value: unknown): string {
  return value === null ? 'None' : String(value);
}

/** The property under which commander stores `--num-samples`. */
function camelCase(name: string): string {
  return name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
}
