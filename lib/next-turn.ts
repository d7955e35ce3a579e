/** Settles in the event loop's next turn. Imported from `node:timers/promises` it would cost each program 0.4 ms. */
export function nextTurn(): Promise<undefined> {
  return new Promise((resolve) => setImmediate(resolve, undefined));
}
