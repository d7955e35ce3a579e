import { type Coded, coded } from '../errors.ts';

/** JSON that a file of ours should hold. @throws `ERR_HOROBALL_FORMAT` naming the file */
export function parsedJson(text: string, file: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    throw damaged(file, 'it is not JSON');
  }
}

/** The error of a file of ours that holds something else. */
export function damaged(file: string, why: string): Coded {
  return coded('ERR_HOROBALL_FORMAT', `${file} cannot be used: ${why}`);
}
