import type { Snapshot } from '../record.ts';

/**
 * A class and its ancestors, nearest first, each by its own name: in a class tree the names of classes and
 * ancestors are paths ('birds/owls/barn owl'), of which the last step is what a person calls it.
 */
export function lineage(
  { classes, parents }: Pick<Snapshot, 'classes' | 'parents'>,
  label: number,
): string[] {
  const path = [classes[label]!, ...(parents[label] ?? [])];
  return parents.length === 0 ? path : path.map((name) => name.split('/').at(-1)!);
}
