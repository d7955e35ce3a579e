import { geometryTerms, headConstants } from '../../card-names.ts';
import { distanceWeight } from '../../cards.ts';
import type { TrainedGeometry } from '../options/define.ts';
import type { RunConfig } from '../options/options.ts';

/**
 * The parameters of a pair's logit, except its cosine, under a tied head (both outputs are functions of the same unit
 * vector).
 */
export interface Setting {
  /** The geometry's entry in `geometryTerms`. */
  terms: { inner: boolean; distance: boolean; weighted: boolean; curved: boolean; slope: number };
  tauE: number;
  tauH: number;
  lambda: number;
  /** c > 0: the curvature is -c. */
  c: number;
  /** Norm to which features are clipped before expmap0; null: not clipped. */
  clip: number | null;
}

/** Returns the parameters of a run's logit. */
export function settingOf({ geometry, t_e, t_h, lam, hyp_c, clip_r }: RunConfig): Setting {
  return { terms: geometryTerms[geometry], tauE: t_e, tauH: t_h, lambda: lam, c: hyp_c, clip: clip_r };
}

/**
 * Whether {@link pairCurve} supports a geometry: its logit has no distance, or one whose gradient has a constant norm
 * (geodesic distance in the ball, or a multiple of the Euclidean distance).
 */
export function hasClosedForm(geometry: TrainedGeometry): boolean {
  const { distance, slope } = geometryTerms[geometry];
  return !distance || slope > 0;
}

/** The logit of a pair at a given cosine, and its derivatives. */
export interface Curve {
  logit: number;
  /** dS/dcos of the logit S; its reciprocal is the effective temperature. */
  slope: number;
  /**
   * |dS/dtheta| for the angle theta of the pair: the norm of the gradient with respect to one of its unit vectors, before
   * weighting by the probability.
   */
  pull: number;
}

/**
 * Returns the radius of a tied head's ball points: `min(tanh(sqrt(c) R), 1 - margin) / sqrt(c)`, `R = min(1, clip)`. The
 * core computes it with the row-wise operations of the head (`tiedRadius` of lib/row/head.ts), which an HTML page cannot
 * call; a test compares the two.
 */
export function radiusOfTied({ c, clip }: Pick<Setting, 'c' | 'clip'>): number {
  const root = Math.sqrt(c);
  return Math.min(Math.tanh(root * Math.min(1, clip ?? 1)), 1 - headConstants.margin) / root;
}

/**
 * Returns the logit of a pair and its derivatives: `cos / tauE - lambda d / tauH`, with `d = 2/sqrt c arsinh sqrt u`,
 * `u = 2 c r^2 (1 - cos) / a^2`, `a = 1 - c r^2`, where r is the norm of all ball points; without curvature
 * `d = slope r sqrt(2 (1 - cos))`.
 *
 * Derivatives: `dd/dcos = -(2/sqrt c) (c r^2/a^2) / sqrt(u (1 + u))` and, finite even at cos 1,
 * `dd/dtheta = 2 r cos(theta/2) / (a sqrt(1 + u))`. The page with sliders embeds the source of this function, of
 * `radiusOfTied` and of `distanceWeight`, so these must not call any other function.
 *
 * @param cos - cosine of the pair, from -1 to 1
 * @throws RangeError for a distance without a closed form (see {@link hasClosedForm})
 */
export function pairCurve({ terms, tauE, tauH, lambda, c, clip }: Setting, cos: number): Curve {
  if (terms.distance && !(terms.slope > 0))
    throw new RangeError('[pairCurve] terms: expected a distance whose gradient has a constant norm');
  const root = Math.sqrt(c);
  const r = radiusOfTied({ c, clip });
  const a = 1 - c * r * r;
  const u = (2 * c * r * r * (1 - cos)) / (a * a);
  const { curved: isCurved, slope } = terms;
  const distance = isCurved ? (2 / root) * Math.asinh(Math.sqrt(u)) : slope * r * Math.sqrt(2 * (1 - cos));
  const perAngle =
    ((isCurved ? 2 : slope) * r * Math.sqrt((1 + cos) / 2)) / (isCurved ? a * Math.sqrt(1 + u) : 1);
  const perCosine = !isCurved
    ? (slope * r) / Math.sqrt(2 * (1 - cos))
    : ((2 / root) * ((c * r * r) / (a * a))) / Math.sqrt(u * (1 + u));
  const flat = terms.inner ? 1 / tauE : 0;
  const curved = distanceWeight(terms, { lambda, tauH });
  return {
    logit: flat * cos - curved * distance,
    slope: flat + (curved === 0 ? 0 : curved * perCosine),
    pull: flat * Math.sqrt(1 - cos * cos) + curved * perAngle,
  };
}

/**
 * Fits a tied head's distance by a linear function of the chord: returns the line `slope chord + offset` with the smallest
 * maximum error over all cosines, and that error. The distance is concave in the chord and 0 at 0, so the best line is
 * parallel to the secant, and half of the largest gap above it.
 */
export function chordFit(setting: Pick<Setting, 'c' | 'clip'>): {
  slope: number;
  offset: number;
  error: number;
} {
  const { c, clip } = setting;
  const root = Math.sqrt(c);
  const r = radiusOfTied({ c, clip });
  const a = 1 - c * r * r;
  const distance = (chord: number): number => (2 / root) * Math.asinh((root * chord) / a);
  const slope = distance(2 * r) / (2 * r);
  // The chord at which the distance curve is parallel to the secant: 2 / (a sqrt(1 + c chord^2 / a^2)) = slope.
  const chord = Math.sqrt(Math.max(0, 4 / (slope * slope) - a * a)) / root;
  const gap = distance(chord) - slope * chord;
  return { slope, offset: gap / 2, error: gap / 2 };
}
