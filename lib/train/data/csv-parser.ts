import { coded } from '../../errors.ts';

/** More than any list of pictures has. */
const maxColumns = 1000;

/**
 * The rows of a CSV text (RFC 4180): fields in quotes may hold commas, line ends and doubled quotes; lines may end
 * either way, the last one not at all; empty lines are left out, as is a byte-order mark.
 *
 * @param file - what errors call the text
 * @throws `ERR_HOROBALL_DATA_LAYOUT` for a quote that is not closed and for absurdly many columns
 */
export function parseCsv(text: string, file: string): string[][] {
  const rows: string[][] = [];
  let row: string[] = [];
  let at = text.startsWith('\ufeff') ? 1 : 0;
  const endRow = (): void => {
    if (row.length > 1 || row[0] !== '') rows.push(row);
    row = [];
  };
  while (at < text.length) {
    const field = text[at] === '"' ? quoted(text, at, file) : plain(text, at);
    row.push(field.value);
    if (row.length > maxColumns)
      throw layout(file, `has more than ${maxColumns} columns in row ${rows.length + 1}`);
    at = field.end;
    if (text[at] === ',') {
      at++;
      if (at === text.length) row.push('');
      if (at < text.length) continue;
    }
    if (text[at] === '\r') at++;
    if (text[at] === '\n') at++;
    endRow();
  }
  return rows;
}

interface Field {
  value: string;
  /** Where the text goes on: at a comma, a line's end or the end. */
  end: number;
}

const stops = /[,\r\n]/g;

function plain(text: string, begin: number): Field {
  stops.lastIndex = begin;
  const end = stops.exec(text)?.index ?? text.length;
  return { value: text.slice(begin, end), end };
}

function quoted(text: string, begin: number, file: string): Field {
  let value = '';
  let at = begin + 1;
  for (;;) {
    const quote = text.indexOf('"', at);
    if (quote < 0) throw layout(file, 'has a quote that is not closed');
    value += text.slice(at, quote);
    if (text[quote + 1] !== '"') {
      const rest = plain(text, quote + 1);
      return { value: value + rest.value, end: rest.end };
    }
    value += '"';
    at = quote + 2;
  }
}

function layout(file: string, what: string): Error {
  return coded('ERR_HOROBALL_DATA_LAYOUT', `${file} ${what}`);
}
