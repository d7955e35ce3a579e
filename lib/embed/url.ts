import { fileURLToPath } from 'node:url';
import { filePath } from '../check.ts';
import { quoted, typeError } from '../errors.ts';

/**
 * Returns the path of a file URL.
 *
 * @throws TypeError `ERR_HOROBALL_TYPE` for any other URL
 */
export function pathOfUrl(operation: string, argument: string, url: URL): string {
  try {
    return filePath(operation, argument, fileURLToPath(url));
  } catch {
    throw typeError(operation, argument, 'the URL of a file', textOf(url));
  }
}

/** Returns the URL as quoted text; the value itself if it cannot be converted to text, as for a proxy of a URL. */
function textOf(url: URL): unknown {
  try {
    return quoted(String(url));
  } catch {
    return url;
  }
}
