import type { Snapshot } from '../../measure/types.ts';
import { type TrainedGeometry, trainedGeometries } from '../../options/define.ts';
import { lineage } from '../run/names.ts';

/** Hues of up to eight families, in degrees; consecutive hues are at least 70 degrees apart. */
const hues = [250, 55, 155, 20, 310, 100, 200, 345];

/** Colors of the lines of a chart; the first is the accent color. */
export const lineColors: readonly string[] = [
  'var(--line-1)',
  'var(--line-2)',
  'var(--line-3)',
  'var(--line-4)',
  'var(--line-5)',
  'var(--line-6)',
];

/** One color per geometry, the same on all pages. */
export const geometryColors = Object.fromEntries(
  trainedGeometries.map((name, i) => [name, lineColors[i % lineColors.length]!]),
) as Readonly<Record<TrainedGeometry, string>>;

/**
 * Assigns a color to each line of a page: the first line of a geometry gets the geometry's color; other lines get colors
 * that do not belong to a geometry, then colors of geometries that the page does not show.
 */
export function colorsOf(kinds: readonly string[]): string[] {
  const assigned = new Map<string, string>(Object.entries(geometryColors));
  const isFirst = kinds.map((kind, i) => assigned.has(kind) && kinds.indexOf(kind) === i);
  const taken = new Set(kinds.map((kind) => assigned.get(kind)));
  const free = lineColors.filter((color) => ![...assigned.values()].includes(color));
  const rest = [...free, ...[...assigned.values()].filter((color) => !taken.has(color))];
  let next = 0;
  return kinds.map((kind, i) => (isFirst[i] ? assigned.get(kind)! : rest[next++ % rest.length]!));
}

interface Family {
  hueAt: number;
  /** The first genus; undefined if the class is itself the family, as in a flat tree. */
  first: string | undefined;
  /** The positions of the other genera, from 1; absent if there are no others. */
  others?: Map<string | undefined, number>;
}

/**
 * Returns a function from label to color: one hue per topmost ancestor (family), and one lightness per ancestor below
 * it (genus). Without a class tree, every class has its own hue.
 */
export function classColors(snapshot: Pick<Snapshot, 'classes' | 'parents'>): (label: number) => string {
  // Uses a map instead of a search, because there can be thousands of classes.
  const families = new Map<string, Family>();
  snapshot.classes.forEach((_, label) => {
    const [genus, name] = topOf(snapshot, label);
    const family = families.get(name) ?? { hueAt: families.size, first: genus };
    families.set(name, family);
    if (genus === family.first) return;
    family.others ??= new Map();
    if (!family.others.has(genus)) family.others.set(genus, family.others.size + 1);
  });
  return (label) => {
    const [genus, name] = topOf(snapshot, label);
    const { hueAt, others } = families.get(name)!;
    const position = others === undefined ? 0.5 : (others.get(genus) ?? 0) / others.size;
    return color(hue(hueAt, families.size), position);
  };
}

/** Returns the genus, if any, and the family of a class. */
function topOf(
  snapshot: Pick<Snapshot, 'classes' | 'parents'>,
  label: number,
): [genus: string | undefined, family: string] {
  const line = lineage(snapshot, label);
  return [line.at(-2), line.at(-1)!];
}

/** Returns one color per topmost ancestor, for the legend; null if there are more than `most`. */
export function familyColors(
  snapshot: Pick<Snapshot, 'classes' | 'parents'>,
  most: number,
): Map<string, string> | null {
  const families = [...new Set(snapshot.classes.map((_, label) => lineage(snapshot, label).at(-1)!))];
  if (families.length > most) return null;
  return new Map(families.map((family, i) => [family, color(hue(i, families.length), 0.5)]));
}

function hue(index: number, count: number): number {
  return count <= hues.length ? hues[index]! : (index * 360) / count;
}

function color(angle: number, position: number): string {
  const lightness = 52 + 20 * position;
  return `oklch(${lightness.toFixed(0)}% 0.13 ${angle.toFixed(0)})`;
}
