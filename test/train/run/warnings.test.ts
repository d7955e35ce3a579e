import test from 'ava';
import { invalidWords, undrawnWords } from '../../../lib/train/run/warnings.ts';

test('a report that cannot be drawn names the reason and, if there is a folder, the command', (t) => {
  const error = new Error('no pixels');
  t.is(undrawnWords(error, null), 'the report could not be drawn (no pixels)');
  t.regex(undrawnWords(error, 'my runs/a'), /: horoball report 'my runs\/a'$/);
});

test('invalid lines are counted in singular and plural', (t) => {
  t.is(invalidWords({}), null);
  const words = (count: number): string | null => invalidWords({ invalid: { count, first: 'line 2: x' } });
  t.is(words(1), '1 line of metrics.jsonl is invalid and was skipped (line 2: x).');
  t.is(words(3), '3 lines of metrics.jsonl are invalid and were skipped (line 2: x).');
});
