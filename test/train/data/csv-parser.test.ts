import test from 'ava';
import fc from 'fast-check';
import { parseCsv } from '../../../lib/train/data/csv-parser.ts';

const quoted = (field: string): string => `"${field.replaceAll('"', '""')}"`;

test('quoted fields round-trip with any content and line endings', (t) => {
  const field = fc.string({ unit: fc.constantFrom('a', ',', '"', '\n', '\r', ' ', '\u00e9') });
  const table = fc.array(fc.array(field, { minLength: 2, maxLength: 4 }), { maxLength: 5 });
  fc.assert(
    fc.property(table, fc.constantFrom('\n', '\r\n', '\r'), (rows, end) => {
      const text = rows.map((row) => row.map(quoted).join(',')).join(end);
      t.deepEqual(parseCsv(text, 'x.csv'), rows);
      t.deepEqual(parseCsv(`\ufeff${text}${end}${end}`, 'x.csv'), rows);
    }),
  );
});

test('reads a field of many doubled quotes', (t) => {
  t.deepEqual(parseCsv(`"${'""'.repeat(1e6)}",b`, 'x.csv'), [['"'.repeat(1e6), 'b']]);
});

test('keeps an empty last field', (t) => {
  t.deepEqual(parseCsv('a,b,\n1,,', 'x.csv'), [
    ['a', 'b', ''],
    ['1', '', ''],
  ]);
});

test('a missing closing quote and too many columns are rejected with the reason', (t) => {
  const code = 'ERR_HOROBALL_DATA_LAYOUT';
  t.throws(() => parseCsv('a,"b', 'x.csv'), { code, message: /x\.csv: expected a closing quote/ });
  t.throws(() => parseCsv(`a\n${','.repeat(1001)}`, 'x.csv'), {
    code,
    message: /1000 columns, got more in row 2/,
  });
});
