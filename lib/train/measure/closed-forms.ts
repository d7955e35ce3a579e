import { tiedRadius } from '../../loss.ts';

/** Parameters of a tied pair's logit, apart from its cosine. */
export interface Setting {
  /** What acts in the geometry of the logit. */
  terms: { inner: boolean; distance: boolean; weighted: boolean; curved: boolean };
  t_e: number;
  t_h: number;
  lam: number;
  /** c > 0: the curvature is -c. */
  c: number;
  /** Norm to which features are clipped before expmap0; null: not clipped. */
  clip: number | null;
}

/** The logit of a pair at a given cosine, and its derivatives. */
export interface Curve {
  logit: number;
  /** dS/dcos; its reciprocal is the effective temperature. */
  slope: number;
  /** |dS/dtheta|: the gradient norm on a unit vector, before weighting by the probability. */
  pull: number;
}

/**
 * The logit of a tied pair: `cos/t_e - lam d/t_h`, with `d = 2/sqrt c arsinh sqrt u`, `u = 2 c r^2 (1 - cos) / a^2`,
 * `a = 1 - c r^2` for the ball's common radius r; chordal: `-2 r sqrt(2 (1 - cos)) / t_h`.
 *
 * Derivatives: `dd/dcos = -(2/sqrt c) (c r^2/a^2) / sqrt(u (1 + u))` and, finite at cos 1 too,
 * `dd/dtheta = 2 r cos(theta/2) / (a sqrt(1 + u))`. The page with sliders embeds the source of this function and of
 * `tiedRadius`, so it must not call any other function.
 *
 * @param cos - from -1 to 1
 */
export function pairCurve({ terms, t_e, t_h, lam, c, clip }: Setting, cos: number): Curve {
  const root = Math.sqrt(c);
  const r = tiedRadius({ c, clip: clip ?? 1 });
  const a = 1 - c * r * r;
  const u = (2 * c * r * r * (1 - cos)) / (a * a);
  const chord = !terms.curved;
  const distance = chord ? 2 * r * Math.sqrt(2 * (1 - cos)) : (2 / root) * Math.asinh(Math.sqrt(u));
  const perAngle = (2 * r * Math.sqrt((1 + cos) / 2)) / (chord ? 1 : a * Math.sqrt(1 + u));
  const perCosine = chord
    ? (2 * r) / Math.sqrt(2 * (1 - cos))
    : ((2 / root) * ((c * r * r) / (a * a))) / Math.sqrt(u * (1 + u));
  const flat = terms.inner ? 1 / t_e : 0;
  const curved = terms.distance ? (terms.weighted ? lam : 1) / t_h : 0;
  return {
    logit: flat * cos - curved * distance,
    slope: flat + (curved === 0 ? 0 : curved * perCosine),
    pull: flat * Math.sqrt(1 - cos * cos) + curved * perAngle,
  };
}

/**
 * The best linear approximation of a tied head's distance by the chord: the line `slope chord + offset` with the smallest
 * maximum error over all cosines, and that error. d_c is concave in the chord and 0 at 0, so the line is parallel to the
 * secant, above it by half of the largest gap.
 */
export function chordFit(setting: Pick<Setting, 'c' | 'clip'>): {
  slope: number;
  offset: number;
  error: number;
} {
  const { c, clip } = setting;
  const root = Math.sqrt(c);
  const r = tiedRadius({ c, clip: clip ?? 1 });
  const a = 1 - c * r * r;
  const distance = (chord: number): number => (2 / root) * Math.asinh((root * chord) / a);
  const slope = distance(2 * r) / (2 * r);
  // The chord at which the distance is parallel to the secant: 2 / (a sqrt(1 + c chord^2 / a^2)) = slope.
  const chord = Math.sqrt(Math.max(0, 4 / (slope * slope) - a * a)) / root;
  const gap = distance(chord) - slope * chord;
  return { slope, offset: gap / 2, error: gap / 2 };
}
