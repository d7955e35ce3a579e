import { setMaxListeners } from 'node:events';

/**
 * Maps items to promises and yields their results in order, with up to `count` further promises pending. An early exit,
 * an error or an aborted signal cancels pending work through the signal passed to `read`.
 */
export async function* readAhead<T, R>(
  items: Iterable<T>,
  read: (item: T, stop: AbortSignal) => Promise<R>,
  count: number,
  signal?: AbortSignal,
): AsyncGenerator<R> {
  const controller = new AbortController();
  const stop = signal === undefined ? controller.signal : AbortSignal.any([signal, controller.signal]);
  setMaxListeners(0, stop); // each item in progress may have one
  const iterator = items[Symbol.iterator]();
  const queue: Promise<R>[] = [];
  const fill = (): void => {
    while (queue.length < count) {
      const { done, value } = iterator.next();
      if (done) return;
      const reading = read(value, stop);
      reading.catch(() => {}); // errors are reported when it is awaited
      queue.push(reading);
    }
  };
  try {
    fill();
    while (queue.length > 0) {
      signal?.throwIfAborted();
      const result = await abortable(queue.shift()!, signal);
      fill();
      yield result;
    }
  } finally {
    controller.abort();
    iterator.return?.();
    await Promise.allSettled(queue);
  }
}

/** Settles like the promise, or rejects with the signal's reason once the signal is aborted, if that occurs first. */
export function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
