// Embeddings and loss options for profiles of negatives.
import { random } from '../../../lib/random.ts';
import type { Embedded } from '../../../lib/train/measure/evaluate.ts';
import type { ProfileOptions } from '../../../lib/train/measure/negatives.ts';

export const width = 6;
export const options: ProfileOptions = {
  geometry: 'hybrid',
  tied: true,
  views: 4,
  tauE: 0.1,
  tauH: 0.2,
  lambda: 0.5,
  c: 0.1,
  clipR: 2.3,
};

/** Returns embeddings of classes around random directions; `counts` has the number of rows of each class. */
export function embedded(counts: readonly number[]): Embedded {
  const next = random(11);
  const labels = counts.flatMap((count, label) => Array<number>(count).fill(label));
  const centers = counts.map(() => Array.from({ length: width }, () => next() - 0.5));
  const rows = labels.map((label) => {
    const row = centers[label]!.map((value) => value + 0.4 * (next() - 0.5));
    const norm = Math.hypot(...row);
    return row.map((value) => value / norm);
  });
  const euclidean = Float32Array.from(rows.flat());
  const hyperbolic = euclidean.map((value, i) => value * (0.3 + 0.1 * (Math.floor(i / width) % 7)));
  const ints = Int32Array.from(labels);
  return { body: euclidean, euclidean, hyperbolic, bodyWidth: width, width, labels: ints, indices: ints };
}
