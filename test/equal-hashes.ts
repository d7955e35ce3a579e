/** The hash of a small integer in V8, whose lowest bits select the bucket of a map or set. */
function hashOf(value: number): number {
  let hash = ~value + (value << 15);
  hash ^= hash >>> 12;
  hash += hash << 2;
  hash ^= hash >>> 4;
  hash = Math.imul(hash, 2057);
  return hash ^ (hash >>> 16);
}

/**
 * Returns integers that are all in one bucket of a map or set that contains them.
 *
 * @param count - a power of two
 */
export function withEqualHashes(count: number): number[] {
  const found: number[] = [];
  for (let value = 1; found.length < count; value++)
    if ((hashOf(value) & (count / 2 - 1)) === 0) found.push(value);
  return found;
}
