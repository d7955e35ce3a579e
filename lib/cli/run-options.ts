import { type Command, Option } from 'commander';
import { fields, publishedDefaults, type RunConfig, shapesDefaults } from '../train/config.ts';

const keys = Object.keys(fields) as (keyof RunConfig)[];

/** What applies to networks that are made already: where the pictures are, how they are read, what computes. */
export const readingKeys: readonly (keyof RunConfig)[] = [
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
/** What names a network that no run trained. */
export const backboneKeys: readonly (keyof RunConfig)[] = [
  'model',
  'weights',
  'head',
  'emb',
  'hyp_c',
  'clip_r',
];

/** See {@link addRunOptions}. */
export interface RunOptionsAdded {
  /** Which; by default all. */
  keys?: readonly (keyof RunConfig)[];
  /** Where a value comes from that is not given: the defaults, the run's own configuration, or that if there is a run. */
  from?: 'defaults' | 'run' | 'run or defaults';
  /** An option takes many values. */
  many?: boolean;
  /** What stands for the default where the command has its own. */
  defaults?: Readonly<Partial<Record<keyof RunConfig, string>>>;
}

/** Under which headings `--help` lists the options of a run. */
const groups: Readonly<Record<string, readonly (keyof RunConfig)[]>> = {
  'Pictures:': [
    'ds',
    'path',
    'num_samples',
    'bs',
    'crop_scale',
    'resize',
    'crop',
    'workers',
    'cache',
    'strict',
  ],
  'Network:': ['model', 'weights', 'head', 'emb', 'clip_r', 'freeze'],
  'Loss:': [
    ...(['geometry', 'hyp_c', 't', 't_e', 't_h', 'lam', 'beta', 'reduction', 'memory'] as const),
    ...(['learn', 'learn_lr', 'learn_range'] as const),
  ],
  'Optimiser:': [
    ...(['ep', 'lr', 'schedule', 'warmup', 'weight_decay', 'decayed', 'layer_decay'] as const),
    ...(['clip_grad', 'ema'] as const),
  ],
  'Computation:': ['device', 'threads', 'precision', 'loss_scale', 'chunk', 'seed', 'compat'],
  'Evaluation and output:': [
    ...(['eval_ep', 'baselines', 'shuffle_labels', 'save_emb', 'emb_name'] as const),
    ...(['save_every', 'runs', 'name'] as const),
  ],
};
/** The heading of each option of a run, in the order in which `--help` lists them. */
const headings: ReadonlyMap<keyof RunConfig, string> = new Map(
  Object.entries(groups).flatMap(([heading, list]) => list.map((key) => [key, heading])),
);

/** Adds options of a run to a command; `-` and `_` inside a name are the same, as the published code has `_`. */
export function addRunOptions(
  command: Command,
  { keys: added = keys, from = 'defaults', many = false, defaults = {} }: RunOptionsAdded = {},
): void {
  const value = many ? '<values>' : '<value>';
  for (const [key, heading] of [...headings].filter(([each]) => added.includes(each))) {
    const text = helpOf(key, defaults[key] ?? standardOf(key, from));
    command.addOption(new Option(flagsOf(key, key, value), text).helpGroup(heading));
    if (!key.includes('_')) continue;
    command.addOption(new Option(flagsOf(key.replaceAll('_', '-'), key, value)).hideHelp());
  }
}

type Given = Readonly<Record<string, unknown>>;

/** One set of options over another: `t` of the upper one stands for the `t_e` and `t_h` of the lower one too. */
export function over(lower: Given, upper: Given): Given {
  const { t_e: _, t_h: __, ...others } = lower;
  return { ...((upper['t'] ?? null) === null ? lower : others), ...upper };
}

/** The options that were given, by their published names; the values are text or true. */
export function givenOptions(
  options: Readonly<Record<string, unknown>>,
): Partial<Record<keyof RunConfig, unknown>> {
  const given = keys.map((key) => [key, options[key] ?? options[camelCase(key)]] as const);
  return Object.fromEntries(given.filter(([, value]) => value !== undefined));
}

function flagsOf(name: string, key: keyof RunConfig, value: string): string {
  return typeof publishedDefaults[key] === 'boolean' ? `--${name}` : `--${name} ${value}`;
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

function helpOf(key: keyof RunConfig, standard: string): string {
  const { help, expected } = fields[key];
  return typeof publishedDefaults[key] === 'boolean' ? help : `${help}: ${expected} (default ${standard})`;
}

function standardOf(key: keyof RunConfig, from: RunOptionsAdded['from']): string {
  if (from === 'defaults') return defaultOf(key);
  return from === 'run' ? "the run's" : `the run's; without a run ${defaultOf(key)}`;
}

function defaultOf(key: keyof RunConfig): string {
  const shapes = shapesDefaults[key];
  const published = shown(publishedDefaults[key]);
  if (key === 'ds') return `shapes; the published one is ${published}`;
  const standard = `${published}${origin(key)}${shapes === undefined ? '' : `; with shapes ${shown(shapes)}`}`;
  return key === 'eval_ep' ? `${standard}; where --ep is given, the last of those` : standard;
}

function shown(value: unknown): string {
  return value === null ? 'None' : String(value);
}

/** How commander calls `--num-samples`. */
function camelCase(key: string): string {
  return key.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());
}
