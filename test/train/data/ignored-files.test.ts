import test from 'ava';
import { IgnoredFiles } from '../../../lib/train/data/ignored-files.ts';

const warningOf = (names: readonly string[]): string => {
  const ignored = new IgnoredFiles();
  for (const name of names) ignored.add(name);
  return ignored.warnings.join('\n');
};

test('ignored files are counted by extension, most frequent first', (t) => {
  t.is(warningOf([]), '');
  t.regex(
    warningOf(['a.TXT']),
    /^ignored 1 file without an image extension \(1 \.txt\); image extensions are /,
  );
  t.regex(warningOf(['README', 'a.txt', 'b.md', 'c.txt']), /^ignored 4 files .* \(2 \.txt, 1 \.md, 1 no ext/);
});

test('at most ten extensions are listed', (t) => {
  const names = Array.from({ length: 13 }, (_, i) => `a.x${i}`);
  t.regex(warningOf(names), /, 3 more extensions\)/);
});
