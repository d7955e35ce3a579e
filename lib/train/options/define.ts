import { z } from 'zod';
import type { BatchLoss } from '../../batch-loss.ts';
import { geometryTerms } from '../../card-names.ts';
import type { Geometry } from '../../cards.ts';
import { lossScales } from '../../check.ts';
import type { Head } from '../lane/types.ts';

type AllTerms = typeof geometryTerms;
/** A geometry that a run can train; those on the hyperboloid are excluded, because the head outputs points in the ball. */
export type TrainedGeometry = {
  [Name in Geometry]: AllTerms[Name]['points'] extends 'hyperboloid' ? never : Name;
}[Geometry];

/** The geometries that a run can train, in the order of the core. */
export const trainedGeometries = Object.entries(geometryTerms)
  .filter(([, { points }]) => points !== 'hyperboloid')
  .map(([name]) => name) as readonly string[] as readonly [TrainedGeometry, ...TrainedGeometry[]];

/** Returns the space whose distances a geometry trains; the best evaluation has the highest Recall@1 in this space. */
export function trainedSpace(geometry: TrainedGeometry): 'hyperbolic' | 'cosine' {
  return geometryTerms[geometry].distance ? 'hyperbolic' : 'cosine';
}

/** Returns the geometries whose logit has a term or, if `present` is false, lacks the term. */
export function geometriesWith(
  term: 'inner' | 'distance' | 'weighted' | 'curved',
  present = true,
): readonly TrainedGeometry[] {
  return trainedGeometries.filter((name) => geometryTerms[name][term] === present);
}

/** The values that an option accepts. */
export interface Kind<T> {
  /** Validates and converts; also accepts the text of a command line. */
  readonly schema: z.ZodType<T>;
  /** The text after "expected" in an error. */
  readonly expected: string;
  /** Alternative names of values. */
  readonly synonyms?: Readonly<Record<string, T>>;
}

/** The metadata of an option: everything except the values that it accepts. */
export interface Facts<T> {
  readonly help: string;
  /** The help of commands that do not train, if it differs. */
  readonly helpWithoutTraining?: string;
  /** Names of the option in other tools; the command line accepts them and prints a note. */
  readonly aliases?: readonly string[];
  readonly unit?: 'pixels' | 'seconds';
  /** Default of the published code; horoball's own if that has no such option, or if `compat` has the published default. */
  readonly default: T;
  /** Defaults by data set, for data sets that horoball generates. */
  readonly datasets?: Readonly<Record<string, T>>;
  /** Defaults by head, which override those by data set. */
  readonly heads?: Readonly<Partial<Record<Head, T>>>;
  /** Defaults by `compat`, which override all others. */
  readonly compat?: Readonly<Partial<Record<'hypmix', T>>>;
  /** The value in runs that were saved before the option existed, if not the default. */
  readonly earlier?: T;
  /** Rewrites the default shown in `--help`, if the value alone does not explain it. */
  readonly defaultText?: (usual: string) => string;
  /** `option`: the published commands have an option of this name; `behavior`: hard-coded in the published code. */
  readonly published?: 'option' | 'behavior';
  /** The geometries whose loss depends on the option; all if absent. */
  readonly geometries?: readonly TrainedGeometry[];
  /** The losses that depend on the option; all if absent. Other losses accept only the default. */
  readonly losses?: readonly BatchLoss[];
  /** The role of the option in the logits, if it is a scalar of the logits. */
  readonly role?: 'temperature' | 'curvature';
  /** Whether `learn` accepts the option. */
  readonly learnable?: true;
  /** Options that default to this option's value. */
  readonly sets?: readonly string[];
  /**
   * Whether a resumed run may change the option. `free`: always, because it does not identify a run. `extend`: only if the
   * folder or the name of the run is given, not if `auto` searches for it. Absent: never.
   */
  readonly resume?: 'free' | 'extend';
  /** `false`: weights and metrics do not depend on the option, except in the last digits. */
  readonly affectsResult?: false;
  /** Commands that do not train but accept the option; `delta` accepts the options of `embed`. */
  readonly commands?: readonly ('eval' | 'embed' | 'search' | 'export')[];
  /** Whether the option describes the network, so that other commands read it from the run. */
  readonly network?: true;
  /** `false`: a study cannot vary the option. */
  readonly sweepable?: false;
  /** Whether the table of a study always has a column for the option. */
  readonly studyColumn?: true;
}

/** The heading in `--help`. */
export type Group = 'Images' | 'Model' | 'Loss' | 'Optimizer' | 'Computation' | 'Evaluation and output';

/** One option of a run. */
export interface RunOption<T = unknown> extends Kind<T>, Facts<T> {
  readonly group: Group;
}

/** A learnable option; `Learnable` is derived from this type. */
export interface LearnableOption extends RunOption<number> {
  readonly learnable: true;
}

/** A learnable temperature. */
export interface TemperatureOption extends LearnableOption {
  readonly role: 'temperature';
}

/** Returns a function that creates the options of a group. */
export const inGroup =
  (group: Group) =>
  <T>(kind: Kind<T>, facts: Facts<T>): RunOption<T> => ({ ...kind, ...facts, group });

/** Returns the description of an option in `--help` and the documentation, without its default. */
export function describe(option: RunOption): string {
  const { help, unit, expected } = option;
  if (isFlag(option)) return help;
  return `${help}. Value${unit === undefined ? '' : ` in ${unit}`}: ${expected}`;
}

/** Whether an option is a flag, without a value on a command line. */
export function isFlag({ schema }: RunOption): boolean {
  return schema instanceof z.ZodBoolean;
}

const isText = (value: unknown): value is string => typeof value === 'string';

/** Converts the text of a number, such as '0.05', from a command line. */
const numberText = (value: unknown): unknown =>
  isText(value) && value.trim() !== '' ? Number(value.replace(/_/g, '')) : value;

/** Converts 'None', as in Python, and 'null' to null, in any letter case. */
export const orNull = (value: unknown): unknown =>
  isText(value) && /^(none|null)$/i.test(value) ? null : value;

export const text = (expected: string): Kind<string> => ({
  schema: z.string().regex(/^[^\0]+$/),
  expected,
});

/** Returns the {@link Kind} of an option whose text satisfies a condition. */
export const shaped = (accepts: (value: string) => boolean, expected: string): Kind<string> => ({
  schema: z.string().refine(accepts),
  expected,
});

export const oneOf = <T extends string>(names: readonly [T, ...T[]]): Kind<T> => ({
  schema: z.literal(names as readonly T[]) as unknown as z.ZodType<T>,
  expected: alternatives(names.map((name) => `'${name}'`)),
});

/** Returns a kind that also accepts alternative names of the values. */
export const withSynonyms = <T extends string>(
  { schema, expected }: Kind<T>,
  synonyms: Readonly<Record<string, T>>,
): Kind<T> => ({
  schema: z.preprocess((value) => (isText(value) ? (ownEntry(synonyms, value) ?? value) : value), schema),
  expected,
  synonyms,
});

/** Returns the entry of a name; only own properties, because `name` may be `constructor`. */
export function ownEntry<T>(entries: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(entries, name) ? entries[name] : undefined;
}

/** Formats names as `a, b or c`. */
export const alternatives = (names: readonly string[]): string =>
  `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`;

/** Returns the {@link Kind} of an option whose value is a comma-separated list of distinct names. */
export const listOf = (names: readonly string[]): Kind<string> =>
  shaped(
    (value) => {
      const given = value.split(',').map((name) => name.trim());
      return given.every((name) => names.includes(name)) && new Set(given).size === given.length;
    },
    `one or more of ${names.join(', ')}, separated by commas`,
  );

export const flag: Kind<boolean> = { schema: z.boolean(), expected: 'true or false' };

const numeric = (schema: z.ZodType<number>, expected: string): Kind<number> => ({
  schema: z.preprocess(numberText, schema),
  expected,
});

export const count = (least: number, most?: number): Kind<number> =>
  most === undefined
    ? numeric(z.int().min(least), `an integer of at least ${least}`)
    : numeric(z.int().min(least).max(most), `an integer from ${least} to ${most}`);
export const real: Kind<number> = numeric(z.number(), 'a number');
export const positive: Kind<number> = numeric(z.number().positive(), 'a number above 0');
export const lossScale: Kind<number> = numeric(
  z.number().min(lossScales.least).max(lossScales.most),
  lossScales.expected,
);
export const atLeast0: Kind<number> = numeric(z.number().min(0), 'a number of at least 0');
export const above1: Kind<number> = numeric(z.number().gt(1), 'a number above 1');
export const below1: Kind<number> = numeric(z.number().min(0).lt(1), 'a number of at least 0 and below 1');
export const upTo1: Kind<number> = numeric(z.number().positive().max(1), 'a number above 0 and at most 1');

export const from0to1: Kind<number> = numeric(z.number().min(0).max(1), 'a number from 0 to 1');

/** Returns the numbers of a list such as `2,9` or, as a value of a study, `[2,9]`; NaN for anything else. */
export function parseNumbers(text: string): number[] {
  const inside = /^\[(.*)\]$/.exec(text.trim())?.[1] ?? text;
  return inside.split(',').map((each) => (each.trim() === '' ? Number.NaN : Number(each)));
}

type NumberRange = readonly [low: number, high: number, 'real'?];

/**
 * Returns a kind that accepts comma-separated lists with one number per range. A number must be an integer unless its range is
 * marked `real`.
 */
export const numberList = (...ranges: readonly NumberRange[]): Kind<string> =>
  shaped((value) => {
    const numbers = parseNumbers(value);
    const fits = ([low, high, real]: NumberRange, i: number): boolean =>
      numbers[i]! >= low && numbers[i]! <= high && (real !== undefined || Number.isInteger(numbers[i]));
    return numbers.length === ranges.length && ranges.every(fits);
  }, numberListText(ranges));

function numberListText(ranges: readonly NumberRange[]): string {
  const noun = ranges.every(([, , real]) => real === undefined) ? 'integers' : 'numbers';
  const limits = ranges.map(([low, high]) => `${low} to ${high}`).join(', ');
  return `${ranges.length} ${noun} (${limits}) separated by ${ranges.length === 2 ? 'a comma' : 'commas'}`;
}

/**
 * Returns the {@link Kind} of an option whose value is the name of a file or folder.
 *
 * @param most - the maximum length
 */
export const fileName = (most: number): Kind<string> =>
  shaped(
    (value) => value.length <= most && /^\w[\w.-]*$/.test(value),
    `1 to ${most} letters, digits, dots, dashes and underscores, starting with a letter, digit or underscore`,
  );

export const orNone = <T>(kind: Kind<T>): Kind<T | null> => ({
  schema: z.preprocess(orNull, z.union([z.null(), kind.schema])),
  expected: `${kind.expected}, or None`,
});
