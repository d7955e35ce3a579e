/** Resolves in the next turn of the event loop. Importing `node:timers/promises` would take 0.4 ms. */
export function nextTurn(): Promise<undefined> {
  const later = typeof setImmediate === 'function' ? setImmediate : setTimeout; // browsers have no setImmediate
  return new Promise((resolve) => later(() => resolve(undefined)));
}
