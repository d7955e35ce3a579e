import type { Snapshot } from '../../measure/types.ts';

type Tree = Pick<Snapshot, 'classes' | 'parents'>;

/**
 * Limits of what a page shows, far above real names: a page repeats a name for each image, so without limits a file of a
 * megabyte could become a page of gigabytes.
 */
const [maxName, maxAncestors] = [200, 64];

/** Caches lineages, because a page asks for the lineage of a class once per image. */
const known = new WeakMap<Tree['classes'], Map<number, readonly string[]>>();

/**
 * Returns the names of a class and its ancestors, nearest first. In a class tree, names are paths ('birds/owls/barn owl'),
 * of which only the last component is returned.
 */
export function lineage({ classes, parents }: Tree, label: number): readonly string[] {
  const lines = known.get(classes) ?? new Map<number, readonly string[]>();
  known.set(classes, lines);
  const line = lines.get(label) ?? lineOf({ classes, parents }, label);
  lines.set(label, line);
  return line;
}

function lineOf({ classes, parents }: Tree, label: number): readonly string[] {
  const path = [classes[label]!, ...(parents[label] ?? []).slice(0, maxAncestors)];
  return path.map((name) => shownName(parents.length === 0 ? name : name.slice(name.lastIndexOf('/') + 1)));
}

const texts = new WeakMap<readonly string[], string>();

/** Returns the names of a class and its ancestors as one text, which is shortened like a single name. */
export function lineageText(tree: Tree, label: number): string {
  const line = lineage(tree, label);
  const text = texts.get(line) ?? shownName(line.join(', '));
  texts.set(line, text);
  return text;
}

/** Shortens an overlong name. */
export function shownName(name: string): string {
  return name.length > maxName ? `${name.slice(0, maxName - 1)}…` : name;
}
