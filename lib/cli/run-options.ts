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

/** What the published commands have by these names, but for their place of the data and the start of the weights. */
const published: ReadonlySet<keyof RunConfig> = new Set([
  ...([
    'ds',
    'num_samples',
    'bs',
    'lr',
    't_e',
    't_h',
    'lam',
    'emb',
    'freeze',
    'ep',
    'hyp_c',
    'eval_ep',
  ] as const),
  ...(['model', 'save_emb', 'emb_name', 'clip_r', 'resize', 'crop', 'seed'] as const),
]);
/** What the published code does without an option for it. */
const fixed: ReadonlySet<keyof RunConfig> = new Set([
  ...([
    'head',
    'geometry',
    'weight_decay',
    'decayed',
    'clip_grad',
    'schedule',
    'warmup',
    'crop_scale',
  ] as const),
  'reduction' as const,
]);

function origin(key: keyof RunConfig): string {
  if (published.has(key)) return ', as published';
  return fixed.has(key) ? ', what the published code does' : '';
}

function helpOf(key: keyof RunConfig): string {
  const { help, expected } = fields[key];
  if (typeof publishedDefaults[key] === 'boolean') return help;
  const shapes = shapesDefaults[key];
  const other = shown(publishedDefaults[key]);
  const defaults =
    key === 'ds'
      ? `shapes; the published one is ${other}`
      : `${other}${origin(key)}${shapes === undefined ? '' : `; with shapes ${shown(shapes)}`}`;
  return `${help}: ${expected} (default ${defaults})`;
}

function shown(value: unknown): string {
  return value === null ? 'None' : String(value);
}

/** How commander calls `--num-samples`. */
function camelCase(key: string): string {
  return key.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
}
