import { coded } from '../../errors.ts';
import { integer, type Random, random, shuffle } from '../../random.ts';
import { pairCurve } from '../closed-forms.ts';
import { parseConfig, type RunConfig } from '../config.ts';
import { type Axis, type AxisName, refused } from './axes.ts';

/** One setting of a study: what is compared. Its runs differ by the seed alone. */
export interface Cell {
  /** Unique in the study, and fit for a file name. */
  id: string;
  /** What it is called in charts: its geometry, or the name of a control. */
  arm: string;
  /** Its temperatures and what else varies, in words. */
  label: string;
  config: RunConfig;
}

/** A whole study. Every cell is run with every seed, so that cells are compared seed by seed. */
export interface Plan {
  cells: Cell[];
  seeds: number[];
  /** Options that take more than one value, in the order given; `seed` is none of them. */
  varied: AxisName[];
}

export interface PlanOptions {
  /** Options of the runs, by their names. */
  axes: Readonly<Partial<Record<AxisName, Axis>>>;
  seeds: readonly number[];
  /** What runs are like where no axis says otherwise. */
  base?: Readonly<Partial<RunConfig>>;
  /** Add the controls that tell curvature from temperature. */
  controls?: boolean;
  /** Draw so many settings a geometry instead of trying all. */
  draws?: number | null;
}

/** Name of the control whose temperature gives the Euclidean logit the slope of a hyperbolic one. */
export const slopeMatched = 'slope-matched';
/** Name of the control that weighs negatives explicitly. */
export const hardNegatives = 'hard negatives';
const defaultStrength = 1;
/** The cosine at which the slopes are equal: that of a hard negative, early in training. */
export const matchedAt = 0.5;

/**
 * Makes the cells of a study: the grid of all axes (or draws from it) for each geometry, without the repetitions that
 * come from options which a geometry does not use, such as t_h in a Euclidean run.
 * @throws RangeError `ERR_HOROBALL_CONFIG` for an option outside its range, before anything is run
 */
export function makePlan({ axes, seeds, base = {}, controls = false, draws = null }: PlanOptions): Plan {
  const { geometry: geometries, seed: _, ...others } = axes;
  const names = geometryNames(geometries);
  const next = random(0x91a, draws ?? 0);
  const varied = Object.entries(others).flatMap(([name, axis]) =>
    manyValued(axis) ? [name as AxisName] : [],
  );
  const { beta, ...withoutBeta } = others;
  const configs = names.flatMap((geometry) => {
    // With the controls, beta is theirs; else it is an axis of the Euclidean runs.
    const own = geometry === 'euclidean' && !controls ? others : withoutBeta;
    const settings = draws === null ? grid(own) : drawn(own, draws, next);
    return settings.map((setting) => parseConfig({ ...base, ...setting, geometry }, 'sweep'));
  });
  const cells = configs.map((config) => ({ arm: config.geometry as string, config }));
  if (controls) cells.push(...controlsOf(configs, strengths(beta)));
  const seen = new Set<string>();
  const kept = cells.filter(({ arm, config }) => {
    const key = arm + signature(config);
    return !seen.has(key) && seen.add(key);
  });
  return { cells: named(kept, varied), seeds: [...seeds], varied };
}

function geometryNames(axis: Axis | undefined): string[] {
  if (axis === undefined) return ['euclidean', 'hyperbolic', 'hybrid'];
  if ('values' in axis) return axis.values;
  throw refused('geometry', 'a list of names', `${axis.low}:${axis.high}`);
}

const manyValued = (axis: Axis): boolean => !('values' in axis) || axis.values.length > 1;

type Setting = Record<string, string | number>;

function grid(axes: Readonly<Partial<Record<string, Axis>>>): Setting[] {
  let settings: Setting[] = [{}];
  for (const [name, axis] of Object.entries(axes)) {
    if (!('values' in axis!))
      throw refused(name, 'a list (a range needs --random)', `${axis!.low}:${axis!.high}`);
    settings = settings.flatMap((setting) => axis.values.map((value) => ({ ...setting, [name]: value })));
  }
  return settings;
}

/** Settings drawn at random: from a range log-uniformly, from a list evenly; from lists alone none comes twice. */
function drawn(axes: Readonly<Partial<Record<string, Axis>>>, draws: number, next: Random): Setting[] {
  if (Object.values(axes).every((axis) => 'values' in axis!))
    return shuffle(next, grid(axes)).slice(0, draws);
  const value = (axis: Axis): string | number =>
    'values' in axis
      ? axis.values[integer(next, axis.values.length)]!
      : Number((axis.low * (axis.high / axis.low) ** next()).toPrecision(3));
  return Array.from({ length: draws }, () =>
    Object.fromEntries(Object.entries(axes).map(([name, axis]) => [name, value(axis!)])),
  );
}

function strengths(axis: Axis | undefined): number[] {
  const given = axis !== undefined && 'values' in axis ? axis.values.map(Number) : [];
  const above0 = given.filter((value) => value > 0);
  return above0.length > 0 ? above0 : [defaultStrength];
}

/**
 * For each hyperbolic setting: the chord in place of the distance (what is left when the curvature is taken away), a
 * Euclidean run whose temperature gives the logit the same slope at a cosine of 0.5 (what is left when both are), and
 * Euclidean runs at its own t_e whose negatives are weighted by their hardness outright.
 */
function controlsOf(
  configs: readonly RunConfig[],
  betas: readonly number[],
): { arm: string; config: RunConfig }[] {
  const hyperbolic = configs.filter(({ geometry }) => geometry === 'hyperbolic');
  if (hyperbolic.length === 0)
    throw coded(
      'ERR_HOROBALL_CONFIG',
      '[sweep] controls: expected hyperbolic among the geometries, there is nothing to control without it',
      RangeError,
    );
  return hyperbolic.flatMap((config) => {
    const { t_e, t_h, lam, hyp_c: c, clip_r: clip } = config;
    const { slope } = pairCurve({ geometry: 'hyperbolic', t_e, t_h, lam, c, clip }, matchedAt);
    const matched = {
      ...config,
      geometry: 'euclidean' as const,
      t: null,
      t_e: Number((1 / slope).toPrecision(3)),
    };
    return [
      { arm: 'chordal', config: { ...config, geometry: 'chordal' as const } },
      { arm: slopeMatched, config: matched },
      ...betas.map((beta) => ({
        arm: hardNegatives,
        config: { ...config, geometry: 'euclidean' as const, beta },
      })),
    ];
  });
}

const unused: Readonly<Record<RunConfig['geometry'], readonly (keyof RunConfig)[]>> = {
  euclidean: ['t', 't_h', 'lam', 'hyp_c', 'clip_r'],
  hyperbolic: ['t', 't_e', 'lam', 'beta'],
  chordal: ['t', 't_e', 'lam', 'beta'],
  hybrid: ['t', 'beta'],
};

/** Equal for configurations that make the same run. */
function signature(config: RunConfig): string {
  const without = Object.entries(config).filter(
    ([key]) => !unused[config.geometry].includes(key as keyof RunConfig),
  );
  return JSON.stringify(without);
}

function named(cells: readonly Omit<Cell, 'id' | 'label'>[], varied: readonly AxisName[]): Cell[] {
  const taken = new Set<string>();
  return cells.map(({ arm, config }) => {
    const others = varied.filter((key) => !/^t(_.)?$/.test(key) && !unused[config.geometry].includes(key));
    if (config.beta > 0 && !others.includes('beta')) others.push('beta');
    const keys = [...temperatures(config), ...others];
    const stem = [arm, ...keys.map((key) => `${key}${config[key]}`)].join('-').replace(/[^\w.-]+/g, '_');
    let id = stem;
    for (let copy = 2; taken.has(id); copy++) id = `${stem}-${copy}`;
    taken.add(id);
    const label = [warmth(config), ...others.map((key) => `${key} ${config[key] ?? 'none'}`)].join(', ');
    return { id, arm, label, config };
  });
}

function warmth(config: RunConfig): string {
  const used = temperatures(config);
  if (used.length === 2 && config.t_e === config.t_h) return `t_e = t_h = ${config.t_e}`;
  return used.map((key) => `${key} ${config[key]}`).join(', ');
}

/** The temperatures that a geometry uses. */
export function temperatures({ geometry }: RunConfig): ('t_e' | 't_h')[] {
  if (geometry === 'euclidean') return ['t_e'];
  return geometry === 'hybrid' ? ['t_e', 't_h'] : ['t_h'];
}
