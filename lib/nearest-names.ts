/** Returns the known names that are most similar to a name, by edit distance; ties keep their order. */
export function nearestNames(name: string, known: readonly string[], count: number = 3): string[] {
  const short = name.slice(0, maxLength);
  return known
    .map((each) => ({ each, distance: editDistance(short, each.slice(0, maxLength)) }))
    .sort((a, b) => a.distance - b.distance)
    .slice(0, count)
    .map(({ each }) => each);
}

/** Maximum number of characters that are compared per name: the time grows with the product of the lengths. */
const maxLength = 64;

/** Returns the number of insertions, deletions and replacements that turn one text into another. */
function editDistance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, i) => i);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const replaced = row[j - 1]! + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[to.length]!;
}
