import { runSteps, type Steps } from '../../call/run.ts';
import { inSlices, rowsPerSlice } from '../../call/slices.ts';
import { coded } from '../../errors.ts';
import { loadSharp } from '../../io/sharp.ts';
import { matrix } from '../../matrix.ts';
import { topK } from '../../topk.ts';
import { readSquare } from '../data/square.ts';
import type { Split } from '../data/types.ts';
import { chosen, type Embedded } from './evaluate.ts';
import { hierarchyOf } from './hierarchy.ts';
import { type MeasuredNegatives, measureNegatives, type ProfileOptions } from './negatives.ts';
import { projectToDisk } from './projection.ts';
import { depthRows, evenly, radiiByLevel, ranksOf } from './structure.ts';
import type { Baseline, NegativeStrip, Snapshot, Thumbnail } from './types.ts';

const maxDiskPoints = 1500;
const queries = 8;
const neighbors = 5;
/** Side length in pixels: twice the displayed size, for high-density screens. */
const thumbnailSize = 112;

/**
 * Collects the data that a report draws from the embeddings of an evaluation, such as the points on the disk and the
 * nearest neighbors of a few images.
 *
 * @throws Error `ERR_HOROBALL_DIVERGED` if an embedding is not finite, because it can be neither drawn nor ranked
 */
export async function takeSnapshot(
  dataset: string,
  split: Split,
  embedded: Embedded,
  { c, epoch, baselines, loss }: { c: number; epoch: number; baselines: Baseline[]; loss: ProfileOptions },
): Promise<Snapshot> {
  await runSteps('snapshot', undefined, () => checkFinite(embedded));
  const negatives = await measureNegatives(embedded, loss);
  const levels = await radiiByLevel(embedded, split, c);
  return withFewClasses({
    dataset,
    epoch,
    classes: split.classes,
    parents: split.parents ?? [],
    ...(split.levels && { levels: split.levels }),
    disk: await drawDisk(embedded, c),
    gallery: await drawGallery(split, embedded, c),
    baselines,
    negatives: negatives?.profiles ?? null,
    ...(negatives && { strips: await drawStrips(split, embedded, negatives.strips) }),
    ranks: await ranksOf(embedded, c),
    depth: depthRows(levels),
    hierarchy: await hierarchyOf(embedded, split, c, levels),
  });
}

/** Maximum number of names of classes and ancestors in a snapshot, a quarter of the values that `parsedJson` accepts. */
const maxNames = 2 ** 18;

/** Drops the classes of which no image is drawn if there are too many names for the file to be read again. */
function withFewClasses(snapshot: Snapshot): Snapshot {
  const { classes, parents, disk, gallery, strips } = snapshot;
  const names = parents.reduce((sum, { length }) => sum + 1 + length, classes.length);
  if (names <= maxNames) return snapshot;
  const numbers = new Map<number, number>();
  const numberOf = (label: number): number => {
    const number = numbers.get(label) ?? numbers.size;
    numbers.set(label, number);
    return number;
  };
  const renumbered = <T extends Thumbnail>(image: T): T => ({ ...image, label: numberOf(image.label) });
  const drawn = {
    disk: { ...disk, labels: disk.labels.map(numberOf) },
    gallery: gallery.map(({ query, nearest }) => ({
      query: renumbered(query),
      nearest: nearest.map(renumbered),
    })),
    ...(strips && {
      strips: strips.map(({ anchor, positive, hardest }) => ({
        anchor: renumbered(anchor),
        positive: renumbered(positive),
        hardest: hardest.map((one) => ({ ...one, negatives: one.negatives.map(renumbered) })),
      })),
    }),
  };
  const labels = [...numbers.keys()];
  return {
    ...snapshot,
    ...drawn,
    classes: labels.map((label) => classes[label]!),
    parents: parents.length === 0 ? [] : labels.map((label) => parents[label]!),
  };
}

function* checkFinite({ euclidean, hyperbolic, labels, width }: Embedded): Steps<void> {
  let count = 0;
  const check = (begin: number, end: number): void => {
    for (let row = begin; row < end; row++) {
      let sum = 0;
      for (let i = row * width; i < (row + 1) * width; i++) sum += euclidean[i]! + hyperbolic[i]!;
      if (!Number.isFinite(sum)) count++;
    }
  };
  yield* inSlices(labels.length, check, rowsPerSlice(width));
  if (count === 0) return;
  const message = `[snapshot] embeddings: expected finite numbers, got NaN or infinity for ${count} of ${labels.length} test images. Use a lower lr, or weights that are finite.`;
  throw coded('ERR_HOROBALL_DIVERGED', message);
}

async function drawDisk({ hyperbolic, labels, width }: Embedded, c: number): Promise<Snapshot['disk']> {
  const rows = evenly(labels.length, maxDiskPoints);
  const ball = chosen(matrix(hyperbolic, labels.length, width), rows);
  const { points, explained } = await projectToDisk(ball.data, ball.rows, width, c);
  return {
    c,
    points: Array.from(points, (value) => Number(value.toPrecision(5))), // not `toFixed`: a small c makes coordinates tiny
    labels: rows.map((row) => labels[row]!),
    explained,
  };
}

async function drawGallery(split: Split, embedded: Embedded, c: number): Promise<Snapshot['gallery']> {
  const { hyperbolic, labels, indices, width } = embedded;
  const rows = evenly(labels.length, queries);
  const all = matrix(hyperbolic, labels.length, width);
  const k = Math.min(neighbors, labels.length - 1);
  if (k < 1) return [];
  const found = await topK(chosen(all, rows), all, { k, metric: 'poincare', c, exclude: rows });
  const thumbnail = (row: number): Promise<Thumbnail> => drawThumbnail(split, indices[row]!, labels[row]!);
  const lines: Snapshot['gallery'] = [];
  for (const [at, row] of rows.entries()) {
    const nearest = Array.from({ length: k }, async (_, i) => ({
      ...(await thumbnail(found.indices[at * k + i]!)),
      distance: Number(found.distances[at * k + i]!.toPrecision(4)),
    }));
    const [query, ...others] = await Promise.all([thumbnail(row), ...nearest]);
    lines.push({ query, nearest: others });
  }
  return lines;
}

async function drawStrips(
  split: Split,
  { labels, indices }: Embedded,
  strips: MeasuredNegatives['strips'],
): Promise<NegativeStrip[]> {
  const thumbnails = new Map<number, Promise<Thumbnail>>(); // geometries share most of their hardest negatives
  const thumbnail = (row: number): Promise<Thumbnail> => {
    const known = thumbnails.get(row) ?? drawThumbnail(split, indices[row]!, labels[row]!);
    thumbnails.set(row, known);
    return known;
  };
  return await Promise.all(
    strips.map(async ({ anchor, positive, hardest }) => ({
      anchor: await thumbnail(anchor),
      positive: await thumbnail(positive),
      hardest: await Promise.all(
        hardest.map(async ({ geometry, negatives }) => ({
          geometry,
          negatives: await Promise.all(
            negatives.map(async ({ row, weight }) => ({ ...(await thumbnail(row)), weight })),
          ),
        })),
      ),
    })),
  );
}

async function drawThumbnail(split: Split, sample: number, label: number): Promise<Thumbnail> {
  const sharp = await loadSharp();
  const pixels = await readSquare(split.samples[sample]!.path, thumbnailSize);
  const raw = { width: thumbnailSize, height: thumbnailSize, channels: 3 } as const;
  const jpeg = await sharp(pixels, { raw }).jpeg({ quality: 70 }).toBuffer();
  return { label, thumbnail: `data:image/jpeg;base64,${jpeg.toString('base64')}` };
}
