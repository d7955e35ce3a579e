/** Exit code of a program that Ctrl-C ended, as shells have it. */
export const interruptedCode = 130;

/**
 * A signal for work that Ctrl-C (or a polite `kill`) should end. The first asks, with `say` to tell the person;
 * the second ends the process as it would have without us.
 */
export function interruptible(say: (text: string) => void): Disposable & { signal: AbortSignal } {
  const controller = new AbortController();
  const names = ['SIGINT', 'SIGTERM'] as const;
  const ask = (): void => {
    stopListening();
    say('Stopping; again to stop at once.');
    controller.abort();
  };
  const stopListening = (): void => {
    for (const name of names) process.off(name, ask);
  };
  for (const name of names) process.on(name, ask);
  return { signal: controller.signal, [Symbol.dispose]: stopListening };
}
