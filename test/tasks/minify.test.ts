// Published files have lines of moderate length, without a change of meaning.
import test from 'ava';
import { withTabs, wrapLines } from '../../lib/tasks/minify.ts';

test('divides lines between tokens only', (t) => {
  const text = 'a, b; {'.repeat(30);
  const code = `const a=[${'"x",'.repeat(60)}"y"],b="${text}",c=\`${text}\${a[1]}\`,d=/[,;{]{1,2}/;e={a,b,c,d,f:${'1+'.repeat(80)}1};`;
  const wrapped = wrapLines(code);
  t.is(wrapped.replaceAll('\n', ''), code);
  const lines = wrapped.split('\n');
  t.true(lines.length > 4);
  t.true(
    lines.every((line) => /[,;{]$/.test(line) || line === lines.at(-1)),
    wrapped,
  );
  const run = (source: string): unknown => new Function(`let e;${source}return [a,b,c,d,e];`)();
  t.deepEqual(run(wrapped), run(code));
});

test('leaves short code and line breaks in templates', (t) => {
  const code = 'export const text=`a,\n{b;`;\n';
  t.is(wrapLines(code), code);
});

test('indents declarations with tabs', (t) => {
  const text =
    'interface A {\n    /**\n     * Two  spaces.\n     */\n    b: {\n        c: 1;\n    };\n  d: 2;\n}\n';
  const wanted = 'interface A {\n\t/**\n\t * Two  spaces.\n\t */\n\tb: {\n\t\tc: 1;\n\t};\n  d: 2;\n}\n';
  t.is(withTabs(text), wanted);
});
