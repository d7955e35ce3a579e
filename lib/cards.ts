import { type Geometry, geometries, type logitParameters, type Metric, metrics } from './card-names.ts';
import { choice } from './check.ts';
import { core } from './native.ts';

/** Relative errors by element type. */
export interface Tolerance {
  readonly float32: number;
  readonly float64: number;
}

/** The largest errors that a card allows; the tests enforce them. */
export interface Tolerances {
  readonly value: Tolerance;
  /** Error of a whole gradient, relative to its norm. */
  readonly gradient: Tolerance;
  /** Error of the gradients with respect to scalar parameters. */
  readonly parameters: Tolerance;
}

/** Error bounds on the CPU, compared with float64 formulas. */
export interface Accuracy extends Tolerances {
  /** Error bounds on a CUDA device, compared with the CPU; so far tested only on an emulated device. */
  readonly device: Tolerances;
}

/** Which matrices of a batch a geometry reads. */
export interface Reads {
  readonly euclidean: boolean;
  readonly hyperbolic: boolean;
}

/** One metric as its card (native/ops/metrics/) describes it. */
export interface MetricCard {
  readonly name: Metric;
  readonly formula: string;
  readonly domain: string;
  /** The space of the rows that it compares. */
  readonly points: 'anywhere' | 'ball' | 'hyperboloid';
  /** Whether c enters the formula. */
  readonly curved: boolean;
  /**
   * Riemannian norm of the distance's gradient with respect to one row (in flat space, the Euclidean norm); 0 if it is
   * not constant.
   */
  readonly slope: number;
  /** The formula under `compat: 'hypmix'`, or null if it does not change. */
  readonly published: string | null;
  readonly tolerance: Accuracy;
  /** Error bounds under `compat: 'hypmix'`, or null if it does not change the formula. */
  readonly publishedTolerance: Accuracy | null;
}

/** One geometry of the loss as its card (native/ops/geometries/) describes it. */
export interface GeometryCard {
  readonly name: Geometry;
  /** Name in reports and plots. */
  readonly label: string;
  /** Formula of the logit of two samples. */
  readonly formula: string;
  /** Whether the inner product of unit rows, and with it tauE, enters the logit. */
  readonly inner: boolean;
  /** Whether lambda multiplies the distance. */
  readonly weighted: boolean;
  /** The metric of the distance, which is divided by tauH; null without a distance. */
  readonly distance: Metric | null;
  /** The metric between the ball points of a tied head (one head for both spaces); null without a distance. */
  readonly tiedDistance: Metric | null;
  /** The metric that ranks embeddings trained with this geometry. */
  readonly ranking: Metric;
  /** The matrices that a call reads with two heads; `tiedReads`: with a tied head. */
  readonly reads: Reads;
  readonly tiedReads: Reads;
  /** The parameters that enter the logit with two heads; `tiedParameters`: with a tied head, whose radius depends on c. */
  readonly parameters: readonly LogitParameter[];
  readonly tiedParameters: readonly LogitParameter[];
  /** Error bounds of the loss and its gradients, in a batch whose losses are not small. */
  readonly tolerance: Accuracy;
  /**
   * Error bounds for well-separated classes. The loss is then tiny, so the absolute rounding error of a large logit
   * becomes a relative error of the loss.
   */
  readonly separated: Accuracy;
}

export type { Geometry, Metric } from './card-names.ts';

/** A parameter of the logit, by its name in the options of the loss. */
export type LogitParameter = (typeof logitParameters)[number];

/** Parses cards and freezes them, because all callers share the same lists. */
function parsed<T>(text: string): T {
  return JSON.parse(text, (_, value: unknown) => Object.freeze(value)) as T;
}

let metricList: readonly MetricCard[] | undefined;
let geometryList: readonly GeometryCard[] | undefined;

/**
 * Returns the cards of all metrics, in the order of the core.
 *
 * @throws Error `ERR_HOROBALL_NO_BINARY`
 * @example
 * metricCards()[0].name; // => 'poincare'
 */
export function metricCards(): readonly MetricCard[] {
  metricList ??= parsed<MetricCard[]>(core().metricCards);
  return metricList;
}

/**
 * Returns the card of a metric: its formula, domain and tolerances.
 *
 * @throws TypeError `ERR_HOROBALL_TYPE` for an unknown name; Error `ERR_HOROBALL_NO_BINARY`
 * @example
 * metricCard('lorentz').points; // => 'hyperboloid'
 */
export function metricCard(name: Metric): MetricCard {
  return metricCards()[choice('metricCard', 'name', name, metrics)]!;
}

/**
 * Returns the cards of all geometries of the loss, in the order of the core.
 *
 * @throws Error `ERR_HOROBALL_NO_BINARY`
 * @example
 * geometryCards().length > 3; // => true
 */
export function geometryCards(): readonly GeometryCard[] {
  geometryList ??= parsed<GeometryCard[]>(core().geometryCards);
  return geometryList;
}

/**
 * Returns the card of a geometry: its logit, parameters and ranking metric.
 *
 * @throws TypeError `ERR_HOROBALL_TYPE` for an unknown name; Error `ERR_HOROBALL_NO_BINARY`
 * @example
 * geometryCard('euclidean').distance; // => null
 */
export function geometryCard(name: Geometry): GeometryCard {
  return geometryCards()[choice('geometryCard', 'name', name, geometries)]!;
}

/** One pair loss as its card (native/ops/losses/) describes it. */
export interface LossCard {
  readonly name: string;
  readonly label: string;
  /** Formula of one term. */
  readonly formula: string;
  /** Error bounds on the CPU, compared with float64 formulas, for temperatures of at least 0.05. */
  readonly tolerance: Tolerances;
}

/** Returns the cards of all pair losses, in the order of the core. */
export function lossCards(): readonly LossCard[] {
  return JSON.parse(core().lossCards) as LossCard[];
}

/**
 * Returns the card of the metric in a geometry's logit, with a tied head or with two heads; undefined if the logit has
 * no distance.
 */
export function distanceCard(card: GeometryCard, tied: boolean): MetricCard | undefined {
  const name = tied ? card.tiedDistance : card.distance;
  // Not metricCard(), which accepts only the generated names: `npm run ops` also reads cards whose names are not
  // generated yet.
  return metricCards().find((metric) => metric.name === name);
}

/** Returns the parameters that enter a geometry's logit. */
export function actingParameters(card: GeometryCard, tied: boolean): readonly LogitParameter[] {
  return tied ? card.tiedParameters : card.parameters;
}

/** Returns which matrices of a batch a geometry reads, with a tied head or with two heads. */
export function readsOf(card: GeometryCard, tied: boolean): Reads {
  return tied ? card.tiedReads : card.reads;
}

/**
 * Returns the factor of the distance in a logit, 0 without a distance. The core has the same formula
 * (native/ops/geometries/card.h). The interactive page of a report embeds the source of this function, which must
 * therefore not call any other function.
 */
export function distanceWeight(
  terms: Pick<GeometryCard, 'weighted'> & { readonly distance: Metric | boolean | null },
  { lambda, tauH }: { readonly lambda: number; readonly tauH: number },
): number {
  return terms.distance ? (terms.weighted ? lambda : 1) / tauH : 0;
}
