import { headConstants } from '../../card-names.ts';
import { matrix } from '../../matrix.ts';
import { pairwiseDistance } from '../../pairwise.ts';
import { chosen } from './evaluate.ts';
import { summary } from './structure.ts';
import type { Health } from './types.ts';

/** Maximum number of points for pairwise distances: enough to estimate a fraction at a low cost. */
const maxPoints = 256;
/** Number of histogram bins of the radius, from the origin to the boundary of the ball. */
export const radiusBins = 20;
/** Radius to which `project` clips, times sqrt c, and a tolerance above the rounding errors of float32. */
const projectionRadius = 1 - headConstants.margin;
const tolerance = 1e-6;
/** Largest distance that the published formula returns, times sqrt c. */
const saturation = 2 * Math.atanh(headConstants.topArtanh);

/**
 * Measures the numerical health of ball points: a histogram of radii, the fraction of points at the projection radius, and
 * the fraction of saturated distances. Radii are relative to the ball's radius, so the boundary is at 1 for any c. A
 * distance is saturated at the limit of the published formula, 12.206 / sqrt c, beyond which the loss with `compat` hypmix
 * is constant.
 * @param points - rows of `width` coordinates
 */
export async function healthOf(points: Float32Array, width: number, c: number): Promise<Health> {
  const count = points.length / width;
  const radii = Array.from({ length: count }, (_, row) => {
    const point = points.subarray(row * width, (row + 1) * width);
    return Math.sqrt(c * point.reduce((sum, x) => sum + x * x, 0));
  });
  const { mean, min, max } = summary(radii);
  const histogram = new Array<number>(radiusBins).fill(0);
  for (const radius of radii) {
    if (Number.isFinite(radius)) histogram[Math.min(radiusBins - 1, Math.floor(radius * radiusBins))]!++;
  }
  return {
    radius: {
      min: rounded(min),
      mean: rounded(mean),
      max: rounded(max),
      histogram,
    },
    atRim: share(radii, (radius) => radius >= projectionRadius - tolerance),
    saturated: await saturatedShare(points, count, width, c),
  };
}

async function saturatedShare(
  points: Float32Array,
  count: number,
  width: number,
  c: number,
): Promise<number> {
  const all = matrix(points, count, width);
  const few = Math.min(count, maxPoints);
  const some = chosen(
    all,
    Array.from({ length: few }, (_, i) => Math.floor((i * count) / few)),
  );
  const distances = await pairwiseDistance(some, { c });
  const others = Array.from(distances.data).filter((_, at) => at % (few + 1) !== 0);
  return share(others, (distance) => distance * Math.sqrt(c) >= saturation);
}

function share(values: readonly number[], is: (value: number) => boolean): number {
  return values.length === 0 ? 0 : rounded(values.filter(is).length / values.length);
}

function rounded(value: number): number {
  return Number(value.toPrecision(6));
}
