import { type Command, Option } from 'commander';
import { coded } from '../errors.ts';
import { describe, isFlag, ownEntry, type RunOption } from '../train/options/define.ts';
import { type OptionName, optionNames, optionOf, optionsWhere } from '../train/options/options.ts';
import { timmAdvice } from '../train/options/timm.ts';
import { addNotes } from './help.ts';

/** Returns the run options that a command accepts. */
export function optionsOf(command: 'eval' | 'embed' | 'search' | 'export'): readonly OptionName[] {
  return optionsWhere(({ commands }) => commands?.includes(command) ?? false);
}

/** The options that describe the network if no run is given. */
export const networkOptions: readonly OptionName[] = optionsWhere(({ network }) => network === true);

/** Settings of {@link addRunOptions}. */
export interface RunOptionsAdded {
  /** The options to add; default all. */
  keys?: readonly OptionName[];
  /**
   * The value of an omitted option: its default (`defaults`), its value in the configuration of the run (`run`), or
   * that value if a run is given and the default otherwise (`run or defaults`).
   */
  from?: 'defaults' | 'run' | 'run or defaults';
  /** Whether options accept several values; default false. */
  many?: boolean;
  /** Whether the help lists defaults that depend on the data set; default true. */
  datasets?: boolean;
  /** Descriptions of the defaults that differ from the defaults of a run. */
  defaults?: Readonly<Partial<Record<OptionName, string>>>;
  /** Descriptions of options that have another effect in the command. */
  helps?: Readonly<Partial<Record<OptionName, string>>>;
  /** Descriptions of the accepted values, for options of which the command accepts only some values. */
  values?: Readonly<Partial<Record<OptionName, string>>>;
}

const publishedNote =
  'The "published code" is that of HypMix and Hyp-ViT, and a "published default" is a default of its options. The published commands set some options to other values; see `horoball recipes`.';

/** Adds run options to a command; `-` and `_` in names are interchangeable, because the published code uses `_`. */
export function addRunOptions(
  command: Command,
  {
    keys = optionNames,
    from = 'defaults',
    many = false,
    datasets = true,
    defaults = {},
    helps = {},
    values = {},
  }: RunOptionsAdded = {},
): void {
  const trains = from === 'defaults';
  const value = many ? '<values>' : '<value>';
  for (const name of optionNames.filter((each) => keys.includes(each))) {
    const usual = optionOf(name);
    const help = helps[name] ?? (trains ? undefined : usual.helpWithoutTraining) ?? usual.help;
    const expected = values[name] ?? usual.expected;
    const option = { ...usual, help, expected, ...(datasets ? {} : { datasets: {} }) };
    const flags = (spelled: string): string => (isFlag(option) ? `--${spelled}` : `--${spelled} ${value}`);
    const standard = defaults[name] ?? standardOf(option, from);
    const text = isFlag(option) ? describe(option) : `${describe(option)} (default ${standard})`;
    command.addOption(new Option(flags(name), text).helpGroup(`${option.group}:`));
    const hidden = [name, ...(option.aliases ?? [])].flatMap(spellings).filter((each) => each !== name);
    for (const each of hidden) command.addOption(new Option(flags(each)).hideHelp());
  }
  if (
    command.options.some(({ hidden, description }) => !hidden && /published (default|code)/.test(description))
  )
    addNotes(command, { paragraphs: [publishedNote] });
  const aliases = keys.flatMap((name) =>
    (optionOf(name).aliases ?? []).map((alias) => `--${alias.replaceAll('_', '-')} for --${name}`),
  );
  if (aliases.length > 0) addNotes(command, { paragraphs: [`Aliases: ${aliases.join(', ')}.`] });
  adviseOnUnknown(command);
}

/** Gives advice on unknown options that timm has, instead of the similar names that commander suggests. */
function adviseOnUnknown(command: Command): void {
  const report = command.error.bind(command);
  const accepts = (name: string): boolean => command.options.some(({ long }) => long === `--${name}`);
  command.error = (message, options) => {
    const [sentence, name] = /^error: unknown option '(.+?)'/.exec(message) ?? [];
    const advice = name === undefined ? null : timmAdvice(name, accepts);
    return report(advice === null ? message : `${sentence}. ${advice}`, options);
  };
}

/** Returns the spellings of an option's name, with _ and with -. */
function spellings(name: string): string[] {
  return name.includes('_') ? [name, name.replaceAll('_', '-')] : [name];
}

/**
 * Returns the given options, with aliases replaced by the options' own names; values are strings or true.
 *
 * @param operation - the command's name, for errors
 * @param note - receives a message for each option name or value that another tool uses; by default, prints it on stderr
 * @throws `ERR_HOROBALL_OPTION` for an option that is given under two names
 */
export function givenOptions(
  operation: string,
  options: Readonly<Record<string, unknown>>,
  note: (text: string) => void = (text) => void process.stderr.write(`Note: ${text}.\n`),
): Partial<Record<OptionName, unknown>> {
  const textOf = (name: string): unknown => options[name] ?? options[camelCase(name)];
  const given: Partial<Record<OptionName, unknown>> = {};
  for (const name of optionNames) {
    const { aliases = [], synonyms = {} } = optionOf(name);
    let value = textOf(name);
    for (const alias of aliases) {
      const other = textOf(alias);
      if (other === undefined) continue;
      if (value !== undefined) throw givenTwice(operation, name, alias);
      note(`--${alias.replaceAll('_', '-')} is an alias of --${name}`);
      value = other;
    }
    const meant = typeof value === 'string' ? ownEntry(synonyms, value) : undefined;
    if (meant !== undefined) note(`--${name} ${value} means ${meant}`);
    if (value !== undefined) given[name] = meant ?? value;
  }
  return given;
}

function givenTwice(operation: string, name: string, alias: string): Error {
  const message = `[${operation}] ${name}: expected one value, got both --${name} and --${alias.replaceAll('_', '-')}. Omit one.`;
  return coded('ERR_HOROBALL_OPTION', message, RangeError);
}

function standardOf(option: RunOption, from: RunOptionsAdded['from']): string {
  if (from === 'defaults') return defaultOf(option);
  return from === 'run' ? "the run's" : `the run's; without a run ${defaultOf(option)}`;
}

const origins = { option: ', also the published default', behavior: ', as in the published code' } as const;

function defaultOf(option: RunOption): string {
  const { default: standard, datasets, heads, compat, published, defaultText } = option;
  const origin = published === undefined ? '' : origins[published];
  const others = [
    ...Object.entries(datasets ?? {}).map(([name, value]) => `; ${shown(value)} with --ds ${name}`),
    ...Object.entries(heads ?? {}).map(([name, value]) => `; ${shown(value)} with --head ${name}`),
    ...Object.entries(compat ?? {}).map(([name, value]) => `; ${shown(value)} with --compat ${name}`),
  ];
  const usual = `${shown(standard)}${origin}${others.join('')}`;
  return defaultText?.(usual) ?? usual;
}

function shown(value: unknown): string {
  return value === null ? 'None' : String(value);
}

/** Returns the property in which commander stores an option: `numSamples` for `num_samples`. */
function camelCase(name: string): string {
  return name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
}
