import { matrix } from '../matrix.ts';
import { pairwiseDistance } from '../pairwise.ts';
import { chosen } from './evaluate.ts';
import type { Health } from './record.ts';

/** Points whose distances are looked at: enough for a share, few enough to cost nothing. */
const mostPoints = 256;
/** Bins of the radius, from the origin to the rim of the ball. */
export const radiusBins = 20;
/** Radius of `project`, times sqrt c; float32 rounds it by less than the tolerance. */
const projectionRadius = 1 - 1e-3;
const tolerance = 1e-6;
/** Where the published distance is cut off, times sqrt c: 2 artanh(1 - 1e-5). */
const saturation = 2 * Math.atanh(1 - 1e-5);

/**
 * How points of the ball stand numerically. Radii are in units of the ball's, so that 1 is the rim for any c: a
 * histogram of them, and the share of points at the radius that `project` holds them within. A distance is saturated
 * where the published formula cuts it off, at 12.206 / sqrt c: beyond it the compat loss sees no difference.
 * @param points - rows of `width` coordinates, one after the other
 */
export async function healthOf(points: Float32Array, width: number, c: number): Promise<Health> {
  const count = points.length / width;
  const radii = Array.from({ length: count }, (_, row) => {
    const point = points.subarray(row * width, (row + 1) * width);
    return Math.sqrt(c * point.reduce((sum, x) => sum + x * x, 0));
  });
  const histogram = new Array<number>(radiusBins).fill(0);
  for (const radius of radii) {
    if (Number.isFinite(radius)) histogram[Math.min(radiusBins - 1, Math.floor(radius * radiusBins))]!++;
  }
  return {
    radius: {
      min: rounded(Math.min(...radii)),
      mean: rounded(radii.reduce((sum, radius) => sum + radius, 0) / count),
      max: rounded(Math.max(...radii)),
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
  const few = Math.min(count, mostPoints);
  const some = chosen(
    all,
    Array.from({ length: few }, (_, i) => Math.floor((i * count) / few)),
  );
  const distances = await pairwiseDistance(some, undefined, { c });
  const others = Array.from(distances.data).filter((_, at) => at % (few + 1) !== 0);
  return share(others, (distance) => distance * Math.sqrt(c) >= saturation);
}

function share(values: readonly number[], is: (value: number) => boolean): number {
  return values.length === 0 ? 0 : rounded(values.filter(is).length / values.length);
}

function rounded(value: number): number {
  return Number(value.toPrecision(6));
}
