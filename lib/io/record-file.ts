import { boundedJson, damaged } from './json.ts';
import { readText } from './text.ts';

/** Limits far above the size of the records of downloads and generated folders, which have a few lines. */
const maxBytes = 2 ** 20;
const maxValues = 10_000;

/**
 * Reads the JSON of a small record that is stored next to other files.
 * @throws `ERR_HOROBALL_FORMAT` if it is too large, is a pipe or a device, or does not contain JSON; file system errors
 */
export async function readRecordFile(path: string): Promise<unknown> {
  return boundedJson(await readText(path, maxBytes), maxValues, (why) => damaged(path, `it ${why}`));
}
