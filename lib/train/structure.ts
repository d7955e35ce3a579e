import { setImmediate } from 'node:timers/promises';
import { matrix } from '../matrix.ts';
import { dist0, einsteinMidpoint } from '../ops.ts';
import { pairwiseDistance } from '../pairwise.ts';
import { topK } from '../topk.ts';
import { rowsByClass } from '../views.ts';
import type { Split } from './data/dataset.ts';
import { chosen, type Embedded } from './evaluate.ts';
import type { DepthRow, Ranks, Spread } from './record.ts';

/** Rows that are compared pair by pair: enough for means, few enough to cost nothing. */
const mostRows = 768;
/** Anchors whose rankings are compared, and nearest rows that overlap. */
const mostAnchors = 64;
const nearest = 10;
/** Rows of pairs between two turns of the event loop: under 2 ms. */
const rowsATurn = 64;

/**
 * Alignment and uniformity of the unit vectors (Wang and Isola 2020, arXiv 2005.10242): the mean squared distance within a
 * class, and the logarithm of the mean of exp(-2 |x - y|^2) over all pairs. Lower is better for both.
 */
export async function spreadOf({ euclidean, labels, width }: Embedded): Promise<Spread> {
  const rows = evenly(labels.length, mostRows);
  const { data } = await pairwiseDistance(chosen(matrix(euclidean, labels.length, width), rows), undefined, {
    metric: 'euclidean',
  });
  const count = rows.length;
  let [within, pairs, sum] = [0, 0, 0];
  for (let i = 0; i < count; i++) {
    if (i % rowsATurn === 0) await setImmediate();
    for (let j = 0; j < i; j++) {
      const square = data[i * count + j]! ** 2;
      sum += Math.exp(-2 * square);
      if (labels[rows[i]!] !== labels[rows[j]!]) continue;
      within += square;
      pairs += 1;
    }
  }
  const all = (count * (count - 1)) / 2;
  return { alignment: rounded(within / pairs), uniformity: rounded(Math.log(sum / all)) };
}

/**
 * How alike the two outputs rank: Spearman's correlation and the shared part of the nearest ten, means over anchors.
 * With a head of unit norm both are 1, whatever was learnt.
 */
export async function ranksOf({ euclidean, hyperbolic, labels, width }: Embedded, c: number): Promise<Ranks> {
  const rows = evenly(labels.length, mostRows);
  const apart = Math.ceil(rows.length / mostAnchors);
  const anchors = [...rows.keys()].filter((at) => at % apart === 0);
  const others = rows.length - 1;
  if (others < 1) return { spearman: 1, overlap: 1, nearest };
  const order = async (data: Float32Array, metric: 'cosine' | 'poincare'): Promise<Int32Array> => {
    const all = chosen(matrix(data, labels.length, width), rows);
    return (await topK(chosen(all, anchors), all, { metric, c, k: others, exclude: anchors })).indices;
  };
  const [flat, curved] = [await order(euclidean, 'cosine'), await order(hyperbolic, 'poincare')];
  const k = Math.min(nearest, others);
  const places = new Int32Array(rows.length);
  let [correlation, overlap] = [0, 0];
  for (let begin = 0; begin < flat.length; begin += others) {
    for (let place = 0; place < others; place++) places[flat[begin + place]!] = place;
    let [squares, shared] = [0, 0];
    for (let place = 0; place < others; place++) {
      const elsewhere = places[curved[begin + place]!]!;
      squares += (place - elsewhere) ** 2;
      if (place < k && elsewhere < k) shared += 1;
    }
    correlation += spearman(squares, others) / anchors.length;
    overlap += shared / k / anchors.length;
  }
  return { spearman: rounded(correlation), overlap: rounded(overlap), nearest };
}

/** From the sum of the squared differences between the places of `n` things. */
function spearman(squares: number, n: number): number {
  return n < 2 ? 1 : 1 - (6 * squares) / (n * (n * n - 1));
}

/**
 * Distance from the origin of the Einstein midpoints of each level of the class tree, from single pictures up to the whole:
 * the midpoint of a larger group lies nearer to the origin, and the more so the farther apart its members are. Empty
 * without a tree.
 */
export async function depthOf(
  { hyperbolic, labels, width }: Embedded,
  { parents }: Pick<Split, 'parents'>,
  c: number,
): Promise<DepthRow[]> {
  const depth = parents?.[0]?.length ?? 0;
  if (parents === undefined || depth === 0) return [];
  const all = matrix(hyperbolic, labels.length, width);
  const levels = [
    { level: 'picture', groupOf: (row: number): string => `${row}` },
    { level: 'class', groupOf: (row: number): string => `${labels[row]}` },
    ...Array.from({ length: depth }, (_, up) => ({
      level: ancestorName(up, depth),
      groupOf: (row: number): string => parents[labels[row]!]![up]!,
    })),
    { level: 'all', groupOf: (): string => '' },
  ];
  return await Promise.all(
    levels.map(async ({ level, groupOf }) => {
      const groups = [...rowsByClass(Array.from(labels.keys(), groupOf)).values()];
      const points =
        level === 'picture'
          ? [all]
          : await Promise.all(groups.map((rows) => einsteinMidpoint(chosen(all, rows), { c })));
      const found = await Promise.all(points.map(async (each) => [...(await dist0(each, { c })).data]));
      const radii = found.flat();
      const mean = radii.reduce((sum, radius) => sum + radius, 0) / radii.length;
      return {
        level,
        groups: radii.length,
        mean: rounded(mean),
        min: rounded(Math.min(...radii)),
        max: rounded(Math.max(...radii)),
      };
    }),
  );
}

function ancestorName(up: number, depth: number): string {
  return depth === 2 ? ['genus', 'family'][up]! : `${up + 1} above the class`;
}

/** At most `most` of the rows, evenly apart: classes lie one after another, so all take part. */
export function evenly(count: number, most: number): number[] {
  const size = Math.min(count, most);
  return Array.from({ length: size }, (_, i) => Math.floor(((i + 0.5) * count) / size));
}

function rounded(value: number): number {
  return Number(value.toPrecision(5));
}
