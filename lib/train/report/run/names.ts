import type { Snapshot } from '../../measure/types.ts';

/**
 * Returns the names of a class and its ancestors, nearest first. In a class tree, names are paths ('birds/owls/barn owl'),
 * of which only the last component is returned.
 */
export function lineage(
  { classes, parents }: Pick<Snapshot, 'classes' | 'parents'>,
  label: number,
): string[] {
  const path = [classes[label]!, ...(parents[label] ?? [])];
  return parents.length === 0 ? path : path.map((name) => name.split('/').at(-1)!);
}
