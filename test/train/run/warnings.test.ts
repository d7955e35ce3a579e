import test from 'ava';
import { Listeners } from '../../../lib/train/run/hooks.ts';
import { iterableSource } from '../../../lib/train/run/source.ts';
import { startState } from '../../../lib/train/run/state.ts';
import {
  fileNotes,
  invalidLinesText,
  reportFailureText,
  warnOfSkipped,
} from '../../../lib/train/run/warnings.ts';

test('the warning about a missing report states the reason and, if there is a folder, the command', (t) => {
  const error = new Error('no pixels');
  t.is(reportFailureText(error, null), 'the report could not be generated (no pixels)');
  t.regex(reportFailureText(error, 'my runs/a'), /: npx horoball report 'my runs\/a'$/);
});

test('counts invalid lines in singular and plural', (t) => {
  t.is(invalidLinesText({}), null);
  const words = (count: number): string | null =>
    invalidLinesText({ invalid: { count, first: 'line 2: x' } });
  t.is(words(1), '1 line of metrics.jsonl is invalid and was skipped (line 2: x).');
  t.is(words(3), '3 lines of metrics.jsonl are invalid and were skipped (line 2: x).');
});

test('the notes on files name invalid lines and then mismatches', (t) => {
  t.deepEqual(fileNotes({}), []);
  const invalid = { count: 1, first: 'line 2: x' };
  t.deepEqual(fileNotes({ invalid, mismatches: ['a.'] }), [invalidLinesText({ invalid }), 'a.']);
});

test('reports an unreadable image once', async (t) => {
  const texts: string[] = [];
  const listeners = new Listeners([{ onWarning: (text) => void texts.push(text) }]);
  async function* none(): AsyncGenerator<never> {}
  const source = { ...iterableSource(none()), skipped: () => [{ path: 'a.jpg', reason: 'it is damaged' }] };
  const run = { source, state: startState(null), listeners };
  for (const _ of [1, 2]) warnOfSkipped(run);
  await listeners.flush();
  t.deepEqual(texts, ['skipped a.jpg: it is damaged']);
});
