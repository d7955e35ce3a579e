// Replaces lib/io/safetensors.ts in the bundle for browsers, which have no files.
import { coded } from '../errors.ts';

function refuse(): Promise<never> {
  const message = 'files are not available in a browser';
  return Promise.reject(coded('ERR_HOROBALL_UNSUPPORTED', message));
}

export const readSafetensors: () => Promise<never> = refuse;
export const writeSafetensors: () => Promise<never> = refuse;
