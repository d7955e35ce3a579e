import { coded } from '../../errors.ts';

/** Limit for damaged files; a list of images has only a few columns. */
const maxColumns = 1000;

/**
 * Parses CSV (RFC 4180). Quoted fields may contain commas, line breaks and doubled quotes. Lines may end with LF, CRLF or
 * CR. Skips empty lines and a byte-order mark.
 *
 * @param file - file name for errors
 * @throws `ERR_HOROBALL_DATA_LAYOUT` for a missing closing quote or more than 1000 columns
 */
export function parseCsv(text: string, file: string): string[][] {
  return [...csvRows(text, file)];
}

/**
 * Yields the rows one at a time, because all rows of a large list would take 50 times the size of its text in memory.
 *
 * @throws as {@link parseCsv}
 */
export function* csvRows(text: string, file: string): Generator<string[], void, void> {
  let row: string[] = [];
  let count = 0;
  let at = text.startsWith('\ufeff') ? 1 : 0;
  while (at < text.length) {
    const isQuoted = text.charCodeAt(at) === quoteCode;
    const end = isQuoted ? endOfQuotes(text, at, file) : at;
    const stop = endOfPlain(text, end);
    const plain = text.slice(end, stop);
    row.push(isQuoted ? text.slice(at + 1, end - 1).replaceAll('""', '"') + plain : plain);
    if (row.length > maxColumns)
      throw layout(file, `at most ${maxColumns} columns`, `more in row ${count + 1}`);
    at = stop;
    if (text.charCodeAt(at) === commaCode) {
      at++;
      if (at === text.length) row.push('');
      if (at < text.length) continue;
    }
    if (text.charCodeAt(at) === returnCode) at++;
    if (text.charCodeAt(at) === feedCode) at++;
    if (row.length > 1 || row[0] !== '') {
      count++;
      yield row;
    }
    row = [];
  }
}

const [quoteCode, commaCode, returnCode, feedCode] = [0x22, 0x2c, 0x0d, 0x0a];

/** Returns the position of the next delimiter: a comma, or the end of the line or text. */
function endOfPlain(text: string, begin: number): number {
  for (let at = begin; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === commaCode || code === feedCode || code === returnCode) return at;
  }
  return text.length;
}

/** Returns the position after the closing quote. */
function endOfQuotes(text: string, begin: number, file: string): number {
  for (let at = begin + 1; ; at += 2) {
    at = text.indexOf('"', at);
    if (at < 0) throw layout(file, 'a closing quote', 'the end of the file');
    if (text.charCodeAt(at + 1) !== quoteCode) return at + 1;
  }
}

function layout(file: string, expected: string, got: string): Error {
  return coded('ERR_HOROBALL_DATA_LAYOUT', `[data] ${file}: expected ${expected}, got ${got}`);
}
