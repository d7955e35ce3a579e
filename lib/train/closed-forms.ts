/** What the logit of a pair depends on beside its cosine, where both outputs of the head come from one unit vector. */
export interface Setting {
  geometry: 'euclidean' | 'hyperbolic' | 'hybrid' | 'chordal';
  t_e: number;
  t_h: number;
  lam: number;
  /** c > 0: the curvature is -c. */
  c: number;
  /** Features are clipped at this radius before expmap0. */
  clip: number | null;
}

/** The logit as a function of the cosine of a pair, and its derivative. */
export interface Curve {
  logit: number;
  /** dS/dcos; its reciprocal is the effective temperature. */
  slope: number;
  /** |dS/dtheta|: the pull on a unit vector, before it is weighted with the probability. */
  pull: number;
}

/**
 * The logit of a tied pair: `cos/t_e - lam d/t_h`, with `d = 2/sqrt c arsinh sqrt u`, `u = 2 c r^2 (1 - cos) / a^2`,
 * `a = 1 - c r^2` for the ball's common radius r; chordal: `-2 r sqrt(2 (1 - cos)) / t_h`.
 *
 * Derivatives: `dd/dcos = -(2/sqrt c) (c r^2/a^2) / sqrt(u (1 + u))` and, finite at cos 1 too,
 * `dd/dtheta = 2 r cos(theta/2) / (a sqrt(1 + u))`. It stands alone, so that the page with the sliders can carry its
 * very text.
 *
 * @param cos - from -1 to 1
 */
export function pairCurve({ geometry, t_e, t_h, lam, c, clip }: Setting, cos: number): Curve {
  const root = Math.sqrt(c);
  const r = Math.min(Math.tanh(root * Math.min(1, clip ?? 1)), 1 - 1e-3) / root;
  const a = 1 - c * r * r;
  const u = (2 * c * r * r * (1 - cos)) / (a * a);
  const chord = geometry === 'chordal';
  const distance = chord ? 2 * r * Math.sqrt(2 * (1 - cos)) : (2 / root) * Math.asinh(Math.sqrt(u));
  const perAngle = (2 * r * Math.sqrt((1 + cos) / 2)) / (chord ? 1 : a * Math.sqrt(1 + u));
  const perCosine = chord
    ? (2 * r) / Math.sqrt(2 * (1 - cos))
    : ((2 / root) * ((c * r * r) / (a * a))) / Math.sqrt(u * (1 + u));
  const flat = geometry === 'euclidean' || geometry === 'hybrid' ? 1 / t_e : 0;
  const curved = geometry === 'euclidean' ? 0 : (geometry === 'hybrid' ? lam : 1) / t_h;
  return {
    logit: flat * cos - curved * distance,
    slope: flat + (curved === 0 ? 0 : curved * perCosine),
    pull: flat * Math.sqrt(1 - cos * cos) + curved * perAngle,
  };
}

/**
 * How far a tied head's distance is from a straight line in the chord: the line `slope chord + offset` that stays nearest
 * to d_c over all cosines, and by how much it errs. d_c is concave in the chord and 0 at 0, so the line is parallel to the
 * secant and lies half of the largest gap above it.
 */
export function chordFit(setting: Setting): { slope: number; offset: number; error: number } {
  const { c, clip } = setting;
  const root = Math.sqrt(c);
  const r = Math.min(Math.tanh(root * Math.min(1, clip ?? 1)), 1 - 1e-3) / root;
  const a = 1 - c * r * r;
  const distance = (chord: number): number => (2 / root) * Math.asinh((root * chord) / a);
  const slope = distance(2 * r) / (2 * r);
  // Where the distance runs parallel to the secant: 2 / (a sqrt(1 + c chord^2 / a^2)) = slope.
  const chord = Math.sqrt(Math.max(0, 4 / (slope * slope) - a * a)) / root;
  const gap = distance(chord) - slope * chord;
  return { slope, offset: gap / 2, error: gap / 2 };
}
