import type { Snapshot } from '../../measure/types.ts';

/**
 * A class and its ancestors, nearest first, each by its own name: in a class tree the names of classes and
 * ancestors are paths ('birds/owls/barn owl'), and the last component is the common name.
 */
export function lineage(
  { classes, parents }: Pick<Snapshot, 'classes' | 'parents'>,
  label: number,
): string[] {
  const path = [classes[label]!, ...(parents[label] ?? [])];
  return parents.length === 0 ? path : path.map((name) => name.split('/').at(-1)!);
}
