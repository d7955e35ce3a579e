/** The two decoders, loaded on first use: whoever brings no pictures needs neither. */
import { coded } from '../../errors.ts';

type JpegTurbo = typeof import('@julusian/jpeg-turbo');
type Sharp = typeof import('sharp').default;

let jpegTurbo: Promise<JpegTurbo> | undefined;
let sharp: Promise<Sharp> | undefined;

/** Throws `ERR_HOROBALL_NO_DECODER` when the package is not installed. */
export function loadJpegTurbo(): Promise<JpegTurbo> {
  jpegTurbo ??= load('@julusian/jpeg-turbo', async () => (await import('@julusian/jpeg-turbo')).default);
  return jpegTurbo;
}

/** Throws `ERR_HOROBALL_NO_DECODER` when the package is not installed. */
export function loadSharp(): Promise<Sharp> {
  sharp ??= load('sharp', async () => (await import('sharp')).default);
  return sharp;
}

async function load<T>(name: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (cause) {
    const message = `pictures need the package ${name}, which did not load: npm install sharp @julusian/jpeg-turbo`;
    throw Object.assign(coded('ERR_HOROBALL_NO_DECODER', message), { cause });
  }
}
