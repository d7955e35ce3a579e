import { geometryTerms } from '../../../card-names.ts';
import { distanceWeight } from '../../../cards.ts';
import { chordFit, hasClosedForm } from '../../measure/closed-forms.ts';
import type { Ranks } from '../../measure/types.ts';
import type { RunConfig } from '../../options/options.ts';
import { learnableNames } from '../../options/resolve.ts';
import { fixed } from '../tables.ts';

/** Explains head `hypmix`, whose two outputs are functions of the same unit vector; null for the other head. */
export function tiedHeadText(config: RunConfig): string | null {
  if (config.head !== 'hypmix') return null;
  return 'Both outputs of this head are functions of the same unit vector, so hyperbolic distance and cosine produce the same ranking; the geometry only changes the weight of each negative in training.';
}

/** Describes how the rankings by hyperbolic distance and by cosine differ. */
export function rankingText(ranks: Ranks | null | undefined): string | null {
  if (!ranks) return null;
  const { spearman, overlap, nearest } = ranks;
  return `Hyperbolic distance and cosine rank the images with a Spearman correlation of ${fixed(spearman, 3)} and share ${fixed(100 * overlap, 0)}% of the ${nearest} nearest neighbors. The difference is due to the radius: at equal radii, both rankings are the same.`;
}

/**
 * Describes how much curvature contributes to the run's logits; null if the head is not `hypmix`, if the geometry has no
 * hyperbolic distance, if the contribution is not finite, or if training changes c or the temperature.
 */
export function curvatureText(config: RunConfig): string | null {
  const { geometry, hyp_c: c, clip_r: clip } = config;
  const terms = geometryTerms[geometry];
  if (config.head !== 'hypmix' || !terms.curved || !hasClosedForm(geometry)) return null;
  if (learnableNames(config).some((name) => name !== 't_e')) return null;
  const { slope, offset, error } = chordFit({ c, clip });
  const scale = distanceWeight(terms, { lambda: config.lam, tauH: config.t_h });
  const digits = (value: number): string => String(Number(value.toPrecision(2)));
  if (![slope, offset, scale * error].every(Number.isFinite)) return null;
  return `At c = ${c}, the distance is approximately ${slope.toFixed(2)} times the straight-line distance (the chord) plus ${digits(offset)}. The rest, which is due to curvature, changes this run's logits by at most ${digits(scale * error)}.`;
}
