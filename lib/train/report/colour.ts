import type { Geometry } from '../config.ts';
import type { Snapshot } from '../record.ts';
import { lineage } from './names.ts';

/** Eight hues that stay apart for most colour-blind eyes when lightness alternates. */
const hues = [250, 55, 155, 20, 310, 100, 200, 345];

/** Lines of a chart: the first is the accent. */
export const lineColours: readonly string[] = [
  'var(--line-1)',
  'var(--line-2)',
  'var(--line-3)',
  'var(--line-4)',
  'var(--line-5)',
  'var(--line-6)',
];

/** One colour a geometry, the same on all pages. */
export const geometryColours: Readonly<Record<Geometry, string>> = {
  hybrid: lineColours[0]!,
  euclidean: lineColours[1]!,
  hyperbolic: lineColours[2]!,
  chordal: lineColours[3]!,
};

/**
 * A colour for each line of a page: a geometry's own for the first line of that geometry; then those that are no
 * geometry's, and what is left.
 */
export function coloursOf(kinds: readonly string[]): string[] {
  const own = new Map<string, string>(Object.entries(geometryColours));
  const isFirst = kinds.map((kind, i) => own.has(kind) && kinds.indexOf(kind) === i);
  const taken = new Set(kinds.map((kind) => own.get(kind)));
  const free = lineColours.filter((colour) => ![...own.values()].includes(colour));
  const rest = [...free, ...[...own.values()].filter((colour) => !taken.has(colour))];
  let next = 0;
  return kinds.map((kind, i) => (isFirst[i] ? own.get(kind)! : rest[next++ % rest.length]!));
}

/**
 * Colours of classes: one hue a topmost ancestor (family), one lightness an ancestor below it (genus). Without
 * a class tree every class has its own hue.
 */
export function classColours(snapshot: Pick<Snapshot, 'classes' | 'parents'>): string[] {
  const lines = snapshot.classes.map((_, label) => lineage(snapshot, label));
  const families = [...new Set(lines.map((line) => line.at(-1)!))];
  return lines.map((line) => {
    const siblings = lines.filter((other) => other.at(-1) === line.at(-1));
    const genera = [...new Set(siblings.map((other) => other.at(-2)))];
    const place = genera.length < 2 ? 0.5 : genera.indexOf(line.at(-2)) / (genera.length - 1);
    return colour(hue(families.indexOf(line.at(-1)!), families.length), place);
  });
}

/** One colour a topmost ancestor, for the legend. */
export function familyColours(snapshot: Pick<Snapshot, 'classes' | 'parents'>): Map<string, string> {
  const families = [...new Set(snapshot.classes.map((_, label) => lineage(snapshot, label).at(-1)!))];
  return new Map(families.map((family, i) => [family, colour(hue(i, families.length), 0.5)]));
}

function hue(index: number, count: number): number {
  return count <= hues.length ? hues[index]! : (index * 360) / count;
}

function colour(angle: number, place: number): string {
  const lightness = 52 + 20 * place;
  return `oklch(${lightness.toFixed(0)}% 0.13 ${angle.toFixed(0)})`;
}
