import { coded } from '../../errors.ts';
import { integer, type Random, random, shuffle } from '../../random.ts';
import { pairCurve, settingOf } from '../measure/closed-forms.ts';
import type { TrainedGeometry } from '../options/define.ts';
import { lastEpoch } from '../options/epochs.ts';
import { appliesTo, isTemperature, optionNames, type RunConfig, temperaturesOf } from '../options/options.ts';
import { overrideOptions, parseConfig } from '../options/resolve.ts';
import { type Axis, type AxisName, refused } from './axes.ts';

/** One setting of a study; its runs differ only in the seed. */
export interface Cell {
  /** Unique within the study, and valid as a file name. */
  id: string;
  /** Name in charts: the geometry or a control. */
  arm: string;
  /** Temperatures and other varying options as text. */
  label: string;
  config: RunConfig;
}

/** The plan of a study. Every cell runs with every seed, so that cells can be compared seed by seed. */
export interface StudyPlan {
  cells: Cell[];
  seeds: number[];
  /** Options with more than one value, except `geometry` and `seed`, in the given order. */
  varied: AxisName[];
}

/** Options of {@link makePlan}. */
export interface PlanOptions {
  /** The values of each option to vary. */
  axes: Readonly<Partial<Record<AxisName, Axis>>>;
  seeds: readonly number[];
  /** Options that are the same for all runs. */
  base?: Readonly<Partial<RunConfig>>;
  /** Whether to add controls, which separate the effects of curvature and temperature. */
  controls?: boolean;
  /** Number of random settings per geometry; null: the full grid. */
  draws?: number | null;
}

/** Name of the control whose Euclidean logit has the same slope as the hyperbolic logit. */
export const slopeMatched = 'slope-matched';
/** The geometry that is studied, the geometry that it is compared with, and the control without curvature. */
export const subject = 'hyperbolic' as const;
export const baseline = 'euclidean' as const;
export const chordControl = 'chordal' as const;
/** The geometries of a study that does not list any. */
export const defaultGeometries: readonly string[] = [baseline, subject, 'hybrid'];
/** Name of the control that weights the negatives of a Euclidean run by their hardness. */
export const hardNegatives = 'hard negatives';
const defaultStrength = 1;
/** Cosine at which `slopeMatched` has the slope of the hyperbolic logit; typical of hard negatives early in training. */
export const matchedAt = 0.5;

/** Maximum number of runs in a study, because plan, results and report are held in memory. */
export const maxRuns = 100_000;
/** Maximum number of cells, so that sweep.json stays within the limits of its reader. */
export const maxCells = 5000;
/** Maximum length of a cell's id without the number that makes it unique, so that a run's name is a valid file name. */
const longestStem = 200;

/**
 * Creates the cells of a study: the grid of all axes, or random settings, for each geometry. Settings that only differ in
 * options that a geometry does not use, such as t_h in a Euclidean run, are merged into one cell.
 * @throws RangeError `ERR_HOROBALL_CONFIG` for an option out of range, before anything runs
 */
export function makePlan({ axes, seeds, base = {}, controls = false, draws = null }: PlanOptions): StudyPlan {
  const { geometry: geometries, seed: _, ...others } = axes;
  const names = geometryNames(geometries);
  const next = random(0x91a, draws ?? 0);
  const varied = Object.entries(others).flatMap(([name, axis]) =>
    manyValued(axis) ? [name as AxisName] : [],
  );
  const { beta, ...withoutBeta } = others;
  const listed = Object.values(others).reduce((count, axis) => count * valuesOf(axis).length, 1);
  const settings = draws ?? listed;
  if (names.length * settings * seeds.length > maxRuns || listed > maxRuns)
    throw tooMany(
      `${names.length} geometries x ${Math.max(settings, listed)} settings x ${seeds.length} seeds`,
    );
  const parts = names.map((geometry): Part => {
    // With controls, beta applies to their hard-negative runs only; otherwise, to the geometries that support it.
    const axesOfGeometry =
      appliesTo('beta', { geometry: geometry as TrainedGeometry }) && !controls ? others : withoutBeta;
    const settings = draws === null ? grid(axesOfGeometry) : sampled(axesOfGeometry, draws, next);
    return { settings, optionsOf: (setting) => overrideOptions(base, { ...setting, geometry }) };
  });
  // Validating 8,000 settings takes a second, and there can be 100,000 before equal ones are merged. The first setting of
  // each geometry is validated before all others, so an invalid geometry is reported at once.
  const firsts = parts.flatMap(({ settings: [first], optionsOf }) =>
    first === undefined ? [] : [configOf(optionsOf(first))],
  );
  if (controls && !firsts.some(isSubject)) throw withoutSubject();
  const seen = new Set<string>();
  const kept: Candidate[] = [];
  const count = parts.reduce((sum, { settings }) => sum + settings.length, 0);
  for (const cell of candidates(parts, controls ? strengths(beta) : [])) {
    const key = cell.arm + signature(cell.config);
    if (seen.has(key)) continue;
    if (seen.size === maxCells) throw tooManyCells(`more (the options form ${count} combinations)`);
    seen.add(key);
    kept.push(cell);
  }
  return { cells: withIds(kept, varied), seeds: [...seeds], varied };
}

type Candidate = Omit<Cell, 'id' | 'label'>;

/** The settings of a geometry, and the options of a run with one of them. */
interface Part {
  settings: readonly Setting[];
  optionsOf(setting: Setting): Readonly<Record<string, unknown>>;
}

/** Creates the configurations of all settings, then their controls with these hardness strengths, if any. */
function* candidates(parts: readonly Part[], betas: readonly number[]): Generator<Candidate> {
  const subjects: RunConfig[] = [];
  for (const { settings, optionsOf } of parts) {
    for (const setting of settings) {
      const config = configOf(optionsOf(setting));
      if (betas.length > 0 && isSubject(config)) subjects.push(config);
      yield { arm: config.geometry, config };
    }
  }
  for (const config of subjects) yield* controlsOf(config, betas);
}

const isSubject = ({ geometry }: RunConfig): boolean => geometry === subject;

/**
 * Returns the options of a run. Unless `eval_ep` is given, only the last epoch is evaluated, because its recall is the
 * result; `shapes` with its default `ep` keeps its default `eval_ep`.
 */
function configOf(given: Readonly<Record<string, unknown>>): RunConfig {
  const config = parseConfig(given, 'sweep');
  const isPreset = given['eval_ep'] !== undefined || (config.ds === 'shapes' && given['ep'] === undefined);
  return isPreset ? config : { ...config, eval_ep: lastEpoch(config.ep) };
}

function geometryNames(axis: Axis | undefined): string[] {
  if (axis === undefined) return [...defaultGeometries];
  if ('values' in axis) return axis.values;
  throw refused('geometry', 'a list of names', `${axis.low}:${axis.high}`);
}

function tooMany(got: string): RangeError {
  const message = `[sweep] seeds: expected a study of at most ${maxRuns} runs, got ${got}. Pass fewer values or seeds.`;
  return coded('ERR_HOROBALL_CONFIG', message, RangeError);
}

function tooManyCells(got: string): RangeError {
  const message = `[sweep] options: expected a study of at most ${maxCells} different settings, got ${got}. Pass fewer values, or --random.`;
  return coded('ERR_HOROBALL_CONFIG', message, RangeError);
}

const valuesOf = (axis: Axis): readonly string[] => ('values' in axis ? axis.values : ['']);

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

/** Returns the number, to three digits, whose position between `low` and `high` on a logarithmic scale is `share`, in [0, 1). */
function logUniform(low: number, high: number, share: number): number {
  const half = Math.sqrt(high) / Math.sqrt(low); // unlike high / low, never infinite
  const rounded = Number((low * half ** share * half ** share).toPrecision(3));
  return Math.min(Math.max(rounded, low), high);
}

/** Samples settings: log-uniformly from ranges, uniformly from lists; without repetition if all axes are lists. */
function sampled(axes: Readonly<Partial<Record<string, Axis>>>, draws: number, next: Random): Setting[] {
  if (Object.values(axes).every((axis) => 'values' in axis!))
    return shuffle(next, grid(axes)).slice(0, draws);
  const value = (axis: Axis): string | number =>
    'values' in axis
      ? axis.values[integer(next, axis.values.length)]!
      : logUniform(axis.low, axis.high, next());
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
 * Creates the controls of a hyperbolic setting: a run with the chord instead of the distance (without curvature), a
 * Euclidean run whose temperature gives the logit the same slope at a cosine of 0.5 (the same effective temperature,
 * without the distance), and Euclidean runs at the same t_e with negatives weighted by hardness.
 */
function controlsOf(config: RunConfig, betas: readonly number[]): Candidate[] {
  const { slope } = pairCurve(settingOf(config), matchedAt);
  const matched = {
    ...config,
    geometry: baseline,
    t: null,
    t_e: Number((1 / slope).toPrecision(3)),
  };
  if (!(matched.t_e > 0 && matched.t_e < Infinity))
    throw refused(
      'controls',
      `a t_h for which the slope-matched Euclidean run has a valid t_e (it would be ${matched.t_e})`,
      `${config.t_h}`,
    );
  return [
    { arm: chordControl, config: { ...config, geometry: chordControl } },
    { arm: slopeMatched, config: matched },
    ...betas.map((beta) => ({
      arm: hardNegatives,
      config: { ...config, geometry: baseline, beta },
    })),
  ];
}

function withoutSubject(): RangeError {
  const message =
    '[sweep] controls: expected hyperbolic among the geometries, got only others. Add it to --geometry.';
  return coded('ERR_HOROBALL_CONFIG', message, RangeError);
}

/** Returns a key that is equal for configurations that describe the same run. */
function signature(config: RunConfig): string {
  return JSON.stringify(
    optionNames.filter((name) => appliesTo(name, config)).map((name) => [name, config[name]]),
  );
}

/** Adds ids that differ in more than the case of letters, because some file systems ignore it in the names of the run folders. */
function withIds(cells: readonly Candidate[], varied: readonly AxisName[]): Cell[] {
  const taken = new Map<string, number>();
  return cells.map(({ arm, config }) => {
    const others = varied.filter((key) => !isTemperature(key) && appliesTo(key, config));
    if (config.beta > 0 && !others.includes('beta')) others.push('beta');
    const keys = [...temperaturesOf(config.geometry), ...others];
    const stem = [arm, ...keys.map((key) => `${key}${config[key]}`)]
      .join('-')
      .replace(/[^\w.-]+/g, '_')
      .slice(0, longestStem);
    const key = stem.toLowerCase();
    let suffix = '';
    for (let copy = taken.get(key) ?? 1; taken.has(key + suffix); taken.set(key, copy)) suffix = `-${++copy}`;
    taken.set(key + suffix, 1);
    const id = stem + suffix;
    const label = [temperatureText(config), ...others.map((key) => `${key} ${config[key] ?? 'none'}`)].join(
      ', ',
    );
    return { id, arm, label, config };
  });
}

function temperatureText(config: RunConfig): string {
  const used = temperaturesOf(config.geometry);
  if (used.length === 2 && config.t_e === config.t_h) return `t_e = t_h = ${config.t_e}`;
  return used.map((key) => `${key} ${config[key]}`).join(', ');
}
