import test from 'ava';
import { proseOf } from '../../lib/tasks/prose-of.ts';

const prose = (source: string): string => proseOf(source).replace(/\s+/g, ' ').trim();

test('comments are prose; code, also within comments, is not', (t) => {
  t.is(prose('const shade = 1; // one `shade` of many'), 'one of many');
  t.is(
    prose('/** Returns the row.\n * @throws never */ f(x / y, "a"); // end'),
    'Returns the row. @throws never end',
  );
});

test('string literals are prose if they contain a sentence', (t) => {
  t.is(prose("throw coded('ERR', 'no such file: choose another');"), "'no such file: choose another'");
  t.is(prose("import x from './colour.ts';"), '');
});

test('of a template, only the words are prose', (t) => {
  t.is(prose('const a = `expected $' + '{colour.name} images here`;'), 'expected images here');
  t.is(prose('const a = `<p class="grey">all images here</p>`;'), 'all images here');
});

test('quotes in regular expressions and apostrophes do not start a string', (t) => {
  t.is(prose(`const quote = /['"]/; // it's a quote\nconst b = 1; // after`), "it's a quote after");
});

test('line numbers are preserved', (t) => {
  const source = 'const a = 1;\n\n// here is prose\n';
  t.is(proseOf(source).split('\n')[2]!.trim(), 'here is prose');
  t.is(proseOf(source).length, source.length);
});
