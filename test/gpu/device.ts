// The device that the tests in this folder use: a CUDA device, or the emulated one of native/test/emulator.
// Without either, they are skipped, with a log line. With the emulated core, a missing device is a failure.
import test, { type ImplementationFn } from 'ava';
import { matrix, pairwiseDistance } from '../../lib/index.ts';

/** Whether the core is the emulated one. */
export const isEmulated: boolean = /[\\/]emulated[\\/]core\.node$/.test(process.env['HOROBALL_CORE'] ?? '');

/** The reason why no CUDA device can be used here, or undefined. */
export const missing: string | undefined = reasonForNone();

function reasonForNone(): string | undefined {
  try {
    pairwiseDistance.sync(matrix(new Float32Array([0, 0.5]), 1, 2), undefined, { c: 1, device: 'cuda' });
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

/** Declares a test that needs the device. */
export const gpu: (title: string, body: ImplementationFn<[]>) => void =
  missing === undefined ? test : test.skip;

/** Call once per file: logs which device the tests ran on, or that they did not run. */
export function logDevice(): void {
  const where = process.env['HOROBALL_CORE'] === undefined ? 'a CUDA device' : 'the device of HOROBALL_CORE';
  test('logs where the tests of this file run', (t) => {
    t.log(missing === undefined ? `on ${where}` : `SKIPPED, nothing ran on a GPU: ${missing}`);
    if (isEmulated) t.is(missing, undefined);
    else t.pass();
  });
}
