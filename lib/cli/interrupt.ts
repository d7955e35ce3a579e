/** Exit code of a program that Ctrl-C ended, by shell convention. */
const interruptedCode = 130;
/** Exit code of a program that SIGTERM ended, by shell convention. */
export const terminatedCode = 143;

let received = interruptedCode;

/** Returns the exit code of a program that ends with an AbortError. The first Ctrl-C or SIGTERM determines it. */
export const abortedCode = (): number => received;

/** The result of {@link interruptible}. */
export interface Interrupt extends Disposable {
  readonly signal: AbortSignal;
  /** The exit code of the first Ctrl-C or SIGTERM. */
  readonly code: number;
}

/**
 * Returns an abort signal for Ctrl-C and SIGTERM. The first Ctrl-C or SIGTERM aborts the signal and informs the user
 * with `say`; the second ends the process immediately.
 */
export function interruptible(say: (text: string) => void): Interrupt {
  const controller = new AbortController();
  const names = ['SIGINT', 'SIGTERM'] as const;
  const ask = (name: NodeJS.Signals): void => {
    stopListening();
    received = name === 'SIGTERM' ? terminatedCode : interruptedCode;
    say('Stopping. Press Ctrl-C again to quit immediately.');
    controller.abort();
  };
  const stopListening = (): void => {
    for (const name of names) process.off(name, ask);
  };
  for (const name of names) process.on(name, ask);
  return {
    signal: controller.signal,
    get code() {
      return received;
    },
    [Symbol.dispose]: stopListening,
  };
}
