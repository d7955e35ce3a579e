import { matrix } from '../matrix.ts';
import { topK } from '../topk.ts';
import type { Split } from './data/dataset.ts';
import { chosen, type Embedded } from './evaluate.ts';
import { type ProfileOptions, profileNegatives } from './negative-profile.ts';
import type { Baseline, Snapshot, Thumbnail } from './record.ts';
import { projectToDisk } from './report/projection.ts';
import { depthOf, evenly, ranksOf } from './structure.ts';

/** Points that a disk of this size can show. */
const mostPoints = 1500;
const queries = 8;
const neighbours = 5;
/** Pixels; twice what the page shows, for screens that have them. */
const thumbnailSize = 112;

/**
 * What a report draws of a trained network: the test embeddings on the disk and the nearest neighbours of a few
 * pictures. It is drawn from embeddings that an evaluation made, so it costs no forward pass.
 */
export async function takeSnapshot(
  dataset: string,
  split: Split,
  embedded: Embedded,
  { c, epoch, baselines, loss }: { c: number; epoch: number; baselines: Baseline[]; loss: ProfileOptions },
): Promise<Snapshot> {
  return {
    dataset,
    epoch,
    classes: split.classes,
    parents: split.parents ?? [],
    disk: await drawDisk(embedded, c),
    gallery: await drawGallery(split, embedded, c),
    baselines,
    negatives: await profileNegatives(embedded, loss),
    ranks: await ranksOf(embedded, c),
    depth: await depthOf(embedded, split, c),
  };
}

async function drawDisk({ hyperbolic, labels, width }: Embedded, c: number): Promise<Snapshot['disk']> {
  const rows = evenly(labels.length, mostPoints);
  const ball = chosen(matrix(hyperbolic, labels.length, width), rows);
  const { points, explained } = await projectToDisk(ball.data, ball.rows, width, c);
  return {
    c,
    points: Array.from(points, (value) => Number(value.toFixed(4))),
    labels: rows.map((row) => labels[row]!),
    explained,
  };
}

async function drawGallery(split: Split, embedded: Embedded, c: number): Promise<Snapshot['gallery']> {
  const { hyperbolic, labels, indices, width } = embedded;
  const rows = evenly(labels.length, queries);
  const all = matrix(hyperbolic, labels.length, width);
  const k = Math.min(neighbours, labels.length - 1);
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

async function drawThumbnail(split: Split, sample: number, label: number): Promise<Thumbnail> {
  const { default: sharp } = await import('sharp');
  const picture = sharp(split.samples[sample]!.path).rotate();
  const resized = picture.resize(thumbnailSize, thumbnailSize, { fit: 'cover' });
  const jpeg = await resized.jpeg({ quality: 70 }).toBuffer();
  return { label, thumbnail: `data:image/jpeg;base64,${jpeg.toString('base64')}` };
}
