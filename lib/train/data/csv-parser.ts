import { coded } from '../../errors.ts';

/** Far more than a list of images needs. */
const maxColumns = 1000;

/**
 * Parses CSV (RFC 4180). Quoted fields may contain commas, line ends and doubled quotes. Accepts LF and CRLF; skips empty
 * lines and a byte-order mark.
 *
 * @param file - name of the text in errors
 * @throws `ERR_HOROBALL_DATA_LAYOUT` for a missing closing quote or more than 1000 columns
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
      throw layout(file, `at most ${maxColumns} columns`, `more in row ${rows.length + 1}`);
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
  /** Position of the next delimiter: a comma, the end of the line or of the text. */
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
    if (quote < 0) throw layout(file, 'a closing quote', 'the end of the file');
    value += text.slice(at, quote);
    if (text[quote + 1] !== '"') {
      const rest = plain(text, quote + 1);
      return { value: value + rest.value, end: rest.end };
    }
    value += '"';
    at = quote + 2;
  }
}

function layout(file: string, expected: string, got: string): Error {
  return coded('ERR_HOROBALL_DATA_LAYOUT', `[data] ${file}: expected ${expected}, got ${got}`);
}
