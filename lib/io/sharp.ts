import { coded } from '../errors.ts';

type Sharp = typeof import('sharp').default;

let sharp: Promise<Sharp> | undefined;
let version: string | null = null;

/** Returns the image decoder, loaded on first use. Throws `ERR_HOROBALL_NO_DECODER` if the package cannot be loaded. */
export function loadSharp(): Promise<Sharp> {
  sharp ??= load();
  return sharp;
}

/** Returns the version of the image decoder, on which the decoded pixels depend; null if it is not loaded. */
export function decoderVersion(): string | null {
  return version;
}

async function load(): Promise<Sharp> {
  try {
    const { default: loaded } = await import('sharp');
    const { sharp: own = 'unknown', vips } = loaded.versions;
    version = `sharp-${own}+vips-${vips}`;
    return loaded;
  } catch (cause) {
    const message =
      'JPEG, PNG, WebP, TIFF and GIF images, thumbnails and generated data sets require the package sharp, which cannot be loaded. Run `npm install sharp`.';
    throw Object.assign(coded('ERR_HOROBALL_NO_DECODER', message), { cause });
  }
}
