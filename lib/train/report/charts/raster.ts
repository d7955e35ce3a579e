import type { Snapshot, Thumbnail } from '../../measure/types.ts';
import { lineage } from '../run/names.ts';

const diskSize = 640;
const [cell, gap] = [112, 8];

/** Renders the disk of a report as an image, for tools that only show images, such as TensorBoard. */
export async function diskPng(snapshot: Snapshot): Promise<Buffer> {
  const { points, labels } = snapshot.disk;
  const familyOf = (label: number): string => lineage(snapshot, label).at(-1)!;
  const families = new Map(
    [...new Set(snapshot.classes.map((_, label) => familyOf(label)))].map((name, i) => [name, i]),
  );
  const hue = (label: number): number => Math.round((360 * families.get(familyOf(label))!) / families.size);
  const center = diskSize / 2;
  const radius = center - 8;
  const dots = labels.map((label, i) => {
    const [x, y] = [center + radius * points[2 * i]!, center - radius * points[2 * i + 1]!];
    return `<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="3.4" fill="hsl(${hue(label)}, 55%, 45%)"/>`;
  });
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${diskSize}" height="${diskSize}"><rect width="100%" height="100%" fill="#fcfbf8"/><circle cx="${center}" cy="${center}" r="${radius}" fill="#f3f1eb" stroke="#62666d"/>${dots.join('')}</svg>`;
  const { default: sharp } = await import('sharp');
  return await sharp(Buffer.from(svg)).png().toBuffer();
}

/**
 * Renders the gallery of a report as an image: one row per query, with green frames for hits and red frames for misses. Null
 * if the gallery is empty.
 */
export async function galleryJpeg({ gallery }: Snapshot): Promise<Buffer | null> {
  const columns = Math.max(0, ...gallery.map(({ nearest }) => nearest.length + 1));
  if (columns === 0) return null;
  const { default: sharp } = await import('sharp');
  const framed = async ({ thumbnail }: Thumbnail, frame: string): Promise<Buffer> => {
    const bytes = Buffer.from(thumbnail.slice(thumbnail.indexOf(',') + 1), 'base64');
    const inner = sharp(bytes).resize(cell - 8, cell - 8, { fit: 'cover' });
    return await inner.extend({ top: 4, bottom: 4, left: 4, right: 4, background: frame }).png().toBuffer();
  };
  const tiles: { input: Buffer; left: number; top: number }[] = [];
  for (const [row, { query, nearest }] of gallery.entries()) {
    const line = [query, ...nearest].map(async (one, column) => {
      const frame = column === 0 ? '#fcfbf8' : one.label === query.label ? '#2f7d4f' : '#c4553d';
      return { input: await framed(one, frame), left: column * (cell + gap), top: row * (cell + gap) };
    });
    tiles.push(...(await Promise.all(line))); // row by row, because starting all at once would block the event loop
  }
  const [width, height] = [columns * (cell + gap) - gap, gallery.length * (cell + gap) - gap];
  const canvas = sharp({ create: { width, height, channels: 3, background: '#fcfbf8' } });
  return await canvas
    .composite(tiles)
    .jpeg({ quality: 85 }) // JPEG has a tenth of the size of PNG, and the main thread copies and checksums every byte
    .toBuffer();
}
