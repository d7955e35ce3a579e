import { chordFit } from '../closed-forms.ts';
import type { RunConfig } from '../config.ts';
import type { Ranks } from '../record.ts';

/** What must be true of a head whose two outputs come from one unit vector; null for a head with a free radius. */
export function tiedWords(config: RunConfig): string | null {
  if (config.head !== 'hypmix') return null;
  return 'Both outputs of this head are functions of one unit vector, so hyperbolic distance and cosine rank pictures alike; the geometry changes how strongly each negative pulls in training.';
}

/** What the free radius changes in the rankings of a head that has one. */
export function rankWords(ranks: Ranks | undefined): string | null {
  if (ranks === undefined) return null;
  const { spearman, overlap, nearest } = ranks;
  return `Hyperbolic distance and cosine rank the pictures with a Spearman correlation of ${spearman.toFixed(3)} and share ${(100 * overlap).toFixed(0)} % of the ${nearest} nearest. The difference is what the radius adds: at equal radii both rank alike.`;
}

/** How much of the distance is curvature, in the run's own logits; null where no distance is trained. */
export function curvatureWords(config: RunConfig): string | null {
  const { geometry, t_e, t_h, lam, hyp_c: c, clip_r: clip } = config;
  if (config.head !== 'hypmix' || (geometry !== 'hybrid' && geometry !== 'hyperbolic')) return null;
  const { slope, offset, error } = chordFit({ geometry, t_e, t_h, lam, c, clip });
  const scale = (geometry === 'hybrid' ? lam : 1) / t_h;
  const digits = (value: number): string => String(Number(value.toPrecision(2)));
  return `At c = ${c} the distance is ${slope.toFixed(2)} times the straight chord plus ${digits(offset)}: curvature moves this run's logits by at most ${digits(scale * error)}.`;
}
