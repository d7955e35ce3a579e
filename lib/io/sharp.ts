import { coded } from '../errors.ts';

type Sharp = typeof import('sharp').default;

let sharp: Promise<Sharp> | undefined;

/** Returns the image decoder, loaded on first use. Throws `ERR_HOROBALL_NO_DECODER` when the package is not installed. */
export function loadSharp(): Promise<Sharp> {
  sharp ??= load();
  return sharp;
}

async function load(): Promise<Sharp> {
  try {
    return (await import('sharp')).default;
  } catch (cause) {
    const message = 'images require the package sharp, which cannot be loaded. Run `npm install sharp`.';
    throw Object.assign(coded('ERR_HOROBALL_NO_DECODER', message), { cause });
  }
}
