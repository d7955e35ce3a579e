import { ComputationOptions } from './computation.ts';
import {
  type LearnableOption,
  ownEntry,
  type RunOption,
  type TemperatureOption,
  type TrainedGeometry,
} from './define.ts';
import { ImageOptions } from './images.ts';
import { LossRunOptions } from './loss.ts';
import { ModelOptions } from './model.ts';
import { OptimizerOptions } from './optimizer.ts';
import { OutputOptions } from './output.ts';
import { TreeOptions } from './tree.ts';

export type { TrainedGeometry } from './define.ts';

/**
 * Every option of a run, one record each. The records are fields of classes, so that declaration files contain their types,
 * from which {@link RunConfig} is derived. Most names come from the published code (HypMix and Hyp-ViT), so that
 * its commands run unchanged.
 */
export interface RunOptions
  extends ImageOptions,
    ModelOptions,
    LossRunOptions,
    TreeOptions,
    OptimizerOptions,
    ComputationOptions,
    OutputOptions {}

/** The records, in the order in which `--help` lists them. */
export const options: Readonly<RunOptions> = {
  ...new ImageOptions(),
  ...new ModelOptions(),
  ...new LossRunOptions(),
  ...new TreeOptions(),
  ...new OptimizerOptions(),
  ...new ComputationOptions(),
  ...new OutputOptions(),
};

export type OptionName = keyof RunOptions;

/**
 * The configuration of a run: a value for every option. The type maps over `keyof RunOptions`, so that editors show the
 * TSDoc of each option.
 */
export type RunConfig = {
  -readonly [Name in keyof RunOptions]: RunOptions[Name] extends RunOption<infer Value> ? Value : never;
};

type NameOf<Kind> = {
  [Name in OptionName]: RunOptions[Name] extends Kind ? Name : never;
}[OptionName];

/** A learnable scalar of the loss: `t_e`, `t_h` or `hyp_c`. */
export type Learnable = NameOf<LearnableOption>;
export type Temperature = NameOf<TemperatureOption>;

export const optionNames: readonly OptionName[] = Object.keys(options) as OptionName[];

/** Returns the record of an option, without the type of its value. */
export function optionOf(name: OptionName): RunOption {
  return options[name];
}

/** Returns the options whose record satisfies a condition, in order. */
export function optionsWhere(holds: (option: RunOption) => boolean): readonly OptionName[] {
  return optionNames.filter((name) => holds(optionOf(name)));
}

/** Options that a resumed run may change, because its results depend on them at most in the last digits. */
export const unrelated: readonly OptionName[] = optionsWhere(({ resume }) => resume === 'free');
/** Options that a run resumed by folder or name may change: the unrelated ones, and those that only extend the run. */
export const extensible: readonly OptionName[] = optionsWhere(({ resume }) => resume !== undefined);

/** Returns the first option in which two configurations differ, except those in `may`. */
export function differing(
  one: RunConfig,
  other: RunConfig,
  may: readonly OptionName[] = extensible,
): OptionName | undefined {
  return optionNames.find((name) => !may.includes(name) && one[name] !== other[name]);
}

/** Returns the options that are the same in all sessions of a run. */
export function keptOptions(config: RunConfig): Record<string, unknown> {
  const names = optionNames.filter((name) => !extensible.includes(name));
  return Object.fromEntries(names.map((name) => [name, config[name]]));
}

/** Whether an option has an effect with a geometry and, if given, a loss. */
export function appliesTo(
  name: OptionName,
  { geometry, loss }: Pick<RunConfig, 'geometry'> & Partial<Pick<RunConfig, 'loss'>>,
): boolean {
  const { geometries, losses } = optionOf(name);
  return (geometries?.includes(geometry) ?? true) && (loss === undefined || (losses?.includes(loss) ?? true));
}

export const learnable: readonly Learnable[] = optionsWhere(
  (option) => option.learnable === true,
) as Learnable[];

/** Returns the learnable scalars that the loss of a geometry depends on. */
export function learnableOf(geometry: TrainedGeometry): Learnable[] {
  return learnable.filter((name) => appliesTo(name, { geometry }));
}

/** Returns the temperatures that a geometry uses. */
export function temperaturesOf(geometry: TrainedGeometry): Temperature[] {
  return learnableOf(geometry).filter(isTemperature) as Temperature[];
}

/** Whether an option is a temperature, or sets temperatures. */
export function isTemperature(name: OptionName): boolean {
  return optionOf(name).role === 'temperature';
}

/** Returns the defaults for a data set, a head and a value of `compat`. */
export function defaultsFor(
  ds: string | null,
  head: string | null = null,
  compat: string | null = null,
): RunConfig {
  const own = (values: Readonly<Record<string, unknown>> | undefined, key: string | null): unknown =>
    key === null ? undefined : ownEntry(values ?? {}, key);
  const entries = optionNames.map((name) => {
    const { compat: followed, heads, datasets, default: standard } = optionOf(name);
    const values = [own(followed, compat), own(heads, head), own(datasets, ds), standard];
    return [name, values.find((value) => value !== undefined)];
  });
  return Object.fromEntries(entries) as RunConfig;
}
