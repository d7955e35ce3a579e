import { needsProxies } from '../../batch-loss.ts';
import { checkOptions } from '../../check.ts';
import { coded, describe, quoted } from '../../errors.ts';
import { isCurvature, leastC } from '../../model/limits.ts';
import { orNull } from './define.ts';
import { evenEpochs, lastEpoch } from './epochs.ts';
import {
  appliesTo,
  defaultsFor,
  type Learnable,
  learnableOf,
  type OptionName,
  optionNames,
  optionOf,
  options,
  optionsWhere,
  type RunConfig,
} from './options.ts';
import { adviceOn } from './timm.ts';
import { treeTermsOf } from './tree.ts';

/** The built-in data set, which is the default. */
const builtIn = 'shapes';

/** Defaults of the published code, and of horoball for options that the published code does not have. */
export const publishedDefaults: Readonly<RunConfig> = Object.freeze(defaultsFor(null));

/** Defaults that differ for the built-in data set, chosen so that a run takes three minutes on two CPU cores. */
export const shapesDefaults: Readonly<Partial<RunConfig>> = Object.freeze(
  Object.fromEntries(
    optionsWhere(({ datasets }) => datasets?.[builtIn] !== undefined).map((name) => [
      name,
      optionOf(name).datasets![builtIn],
    ]),
  ),
);

/**
 * Validates the options of a run and fills in the defaults. Also accepts the text of a command line (`'0.05'`, `'None'`).
 * @param given - any options of a run; `ds` is `shapes` if absent
 * @param operation - name of the operation, for errors
 * @throws RangeError `ERR_HOROBALL_CONFIG` for an unknown option, an invalid value, or options that conflict
 * @example
 * parseConfig({ ds: 'shapes', geometry: 'hyperbolic', t_h: 0.1 }).t_h; // 0.1
 */
export function parseConfig(
  given: Readonly<Record<string, unknown>> = {},
  operation: string = 'train',
): RunConfig {
  const unknown = Object.keys(checkOptions(operation, given)).find((key) => !Object.hasOwn(options, key));
  if (unknown !== undefined)
    throw configError(
      `[${operation}] options: expected the name of a run option, got '${unknown}'. ${adviceOn(unknown)}`,
    );
  const present = presentIn(given);
  const [ds, head] = [textOf(present['ds']) ?? builtIn, textOf(present['head'])];
  const defaults = defaultsFor(ds, head, textOf(present['compat']));
  const merged: Record<string, unknown> = { ...defaults, ...shorthands(present), ...present };
  const config = Object.fromEntries(
    optionNames.map((name) => [name, checked(operation, name, merged[name])]),
  ) as RunConfig;
  if (present['eval_ep'] === undefined) {
    if (config.compat === 'hypmix') config.eval_ep = lastEpoch(config.ep);
    else if (present['ep'] !== undefined) config.eval_ep = evenEpochs(config.ep);
  }
  return consistent(withoutZeroCurvature(config), operation);
}

/** Parses a stored configuration, which may lack options if an earlier version wrote it; see {@link parseConfig}. */
export function storedConfig(written: Readonly<Record<string, unknown>>, operation?: string): RunConfig {
  const added = optionsWhere(({ earlier }) => earlier !== undefined);
  const before = Object.fromEntries(added.map((name) => [name, optionOf(name).earlier]));
  return parseConfig({ ...before, ...written }, operation);
}

/** Removes undefined options, which count as absent. */
export function presentIn(given: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

/** Returns the options that shorthands set; `t`, for example, sets both temperatures. */
function shorthands(given: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const entries = optionsWhere(({ sets }) => sets !== undefined).flatMap((name) => {
    const value = orNull(given[name]) ?? null;
    return value === null ? [] : optionOf(name).sets!.map((target) => [target, value] as const);
  });
  return Object.fromEntries(entries);
}

/**
 * Overrides options. A shorthand in `overrides` also replaces the options of `base` that it sets. If `overrides`
 * contains `ep`, the `eval_ep` of `base` is dropped, except that a list of only the last epoch, as in published commands,
 * becomes a list of only the new last epoch.
 */
export function overrideOptions(
  base: Readonly<Record<string, unknown>>,
  overrides: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const replaced = Object.keys(shorthands(overrides));
  const changesEpochs = orNull(overrides['ep']) !== null && overrides['ep'] !== undefined;
  if (changesEpochs) replaced.push('eval_ep');
  const kept = Object.entries(base).filter(([name]) => !replaced.includes(name));
  const onlyLast = changesEpochs && base['eval_ep'] === lastEpoch(String(base['ep']));
  const evaluations = onlyLast ? { eval_ep: lastEpoch(String(overrides['ep'])) } : {};
  return { ...Object.fromEntries(kept), ...evaluations, ...overrides };
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

function checked(operation: string, name: OptionName, value: unknown): unknown {
  const { schema, expected } = optionOf(name);
  // Objects are rejected before validation, because a schema would read their properties, and a getter may throw.
  const result = typeof value === 'object' && value !== null ? null : schema.safeParse(value);
  if (result?.success) return result.data;
  throw configError(`[${operation}] ${name}: expected ${expected}, got ${shown(value)}`);
}

/** Replaces c = 0 of Hyp-ViT, which means the cosine of unit vectors, by head `hypmix` with geometry `euclidean`. */
function withoutZeroCurvature(config: RunConfig): RunConfig {
  if (config.hyp_c !== 0 || config.head !== 'hyp-vit') return config;
  return { ...config, head: 'hypmix', geometry: 'euclidean', hyp_c: publishedDefaults.hyp_c };
}

/** Returns the learnable scalars of a run. */
export function learnableNames({ learn }: RunConfig): Learnable[] {
  return (learn === null ? [] : learn.split(',').map((name) => name.trim())) as Learnable[];
}

/** Throws for an option that conflicts with others. */
type Refuse = (option: OptionName, expected: string, fix: string, got?: unknown) => never;

/** Checks conditions that involve several options. */
function consistent(config: RunConfig, operation: string): RunConfig {
  const { bs, num_samples, resize, crop, geometry, head, memory } = config;
  const refuse: Refuse = (option, expected, fix, got = config[option]) => {
    throw configError(`[${operation}] ${option}: expected ${expected}, got ${got ?? 'None'}. ${fix}`);
  };
  if (bs % num_samples !== 0)
    refuse('bs', `a multiple of num_samples (${num_samples})`, `Use ${multiplesNear(bs, num_samples)}.`);
  if (bs < 2 * num_samples)
    refuse(
      'bs',
      `at least ${2 * num_samples} images (two classes of ${num_samples})`,
      'Increase bs, or reduce num_samples.',
    );
  if (resize < crop) refuse('resize', `at least crop (${crop})`, 'Increase resize, or reduce crop.');
  if (config.hyp_c === 0)
    refuse(
      'hyp_c',
      `a number above 0 with head ${head}`,
      'Pass a value above 0. For cosine similarity, omit hyp_c and choose geometry euclidean; only head hyp-vit accepts 0.',
    );
  if (!isCurvature(config.hyp_c))
    refuse(
      'hyp_c',
      `a number from ${leastC} to ${1 / leastC}, because distances are computed in float32`,
      'Choose a value in this range.',
    );
  const names = learnableNames(config);
  const idle = names.find((name) => !appliesTo(name, { geometry }));
  if (idle !== undefined)
    refuse(
      'learn',
      `scalars that the ${geometry} loss uses (${learnableOf(geometry).join(', ')})`,
      `Remove ${idle}, or choose another geometry.`,
      idle,
    );
  if (config.beta > 0 && !appliesTo('beta', { geometry }))
    refuse(
      'beta',
      `0 with geometry ${geometry}`,
      `Omit beta, or choose geometry ${optionOf('beta').geometries!.join(' or ')}.`,
    );
  if (memory > 0 && needsProxies(config.loss))
    refuse('memory', `0 with loss ${config.loss}`, 'Omit memory, or choose another loss.');
  const unused = optionNames.find((name) => {
    const { losses, default: usual } = optionOf(name);
    return losses?.includes(config.loss) === false && config[name] !== usual;
  });
  if (unused !== undefined)
    refuse(
      unused,
      `${optionOf(unused).default ?? 'None'} with loss ${config.loss}`,
      `Omit ${unused}, or choose loss ${optionOf(unused).losses!.join(' or ')}.`,
    );
  if (memory > 0 && head === 'hyp-vit' && names.includes('hyp_c'))
    refuse(
      'memory',
      '0 with head hyp-vit and a learnable hyp_c, because stored points belong to a ball of a different curvature',
      'Omit memory, or remove hyp_c from learn.',
    );
  checkTree(config, refuse);
  return config;
}

/** Checks the conditions of the losses on the class tree. */
function checkTree(config: RunConfig, refuse: Refuse): void {
  const { tree, head, geometry, memory, clip_r, tree_reach } = config;
  const terms = treeTermsOf(tree);
  if (terms.length === 0) return;
  const radial = terms.find((term) => term !== 'levels');
  if (radial !== undefined && (head !== 'hyp-vit' || !appliesTo('tree_cones', { geometry })))
    refuse(
      'tree',
      `--head hyp-vit and --geometry hyperbolic or hybrid for ${radial}, because this term needs points at any distance from the origin`,
      `Change the head or the geometry, or remove ${radial}.`,
      `${head} and ${geometry}`,
    );
  if (terms.includes('radius') && tree_reach === null && clip_r === null)
    refuse(
      'tree_reach',
      'a distance, because distances are unbounded without clip_r',
      'Set tree_reach or clip_r.',
    );
  if (memory > 0) refuse('memory', '0 with tree', 'Omit memory or tree.');
  if (learnableNames(config).includes('hyp_c'))
    refuse('learn', 'scalars other than hyp_c with tree', 'Remove hyp_c, or omit tree.', 'hyp_c');
}

/** @internal */
export function configError(message: string): RangeError {
  return coded('ERR_HOROBALL_CONFIG', message, RangeError);
}

/** Returns the valid multiples of `of` next to a value that is not a multiple: `28 or 32`. */
function multiplesNear(value: number, of: number): string {
  const below = value - (value % of);
  return below < 2 * of ? String(2 * of) : `${below} or ${below + of}`;
}

function shown(value: unknown): string {
  return describe(quoted(value));
}
