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
    throw typeError(operation, argument, 'the URL of a file', quoted(String(url)));
  }
}
