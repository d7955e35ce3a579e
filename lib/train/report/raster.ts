import type { Snapshot, Thumbnail } from '../record.ts';
import { lineage } from './names.ts';

const diskSize = 640;
const [cell, gap] = [112, 8];

/** The disk of a report as a picture: for places that show pictures only, such as TensorBoard. */
export async function diskPng(snapshot: Snapshot): Promise<Buffer> {
  const { points, labels } = snapshot.disk;
  const families = [...new Set(snapshot.classes.map((_, label) => lineage(snapshot, label).at(-1)!))];
  const hue = (label: number): number =>
    Math.round((360 * families.indexOf(lineage(snapshot, label).at(-1)!)) / families.length);
  const centre = diskSize / 2;
  const radius = centre - 8;
  const dots = labels.map((label, i) => {
    const [x, y] = [centre + radius * points[2 * i]!, centre - radius * points[2 * i + 1]!];
    return `<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="3.4" fill="hsl(${hue(label)}, 55%, 45%)"/>`;
  });
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${diskSize}" height="${diskSize}"><rect width="100%" height="100%" fill="#fcfbf8"/><circle cx="${centre}" cy="${centre}" r="${radius}" fill="#f3f1eb" stroke="#62666d"/>${dots.join('')}</svg>`;
  const { default: sharp } = await import('sharp');
  return await sharp(Buffer.from(svg)).png().toBuffer();
}

/** The gallery of a report as a picture: a line a query, green where the neighbour is of its class, red where not. */
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
    tiles.push(...(await Promise.all(line))); // a line at a time: asking for all at once holds the event loop
  }
  const [width, height] = [columns * (cell + gap) - gap, gallery.length * (cell + gap) - gap];
  const canvas = sharp({ create: { width, height, channels: 3, background: '#fcfbf8' } });
  return await canvas
    .composite(tiles)
    .jpeg({ quality: 85 }) // a tenth of a PNG, every byte of which is copied and summed on the main thread
    .toBuffer();
}
