import test from 'ava';
import { html } from '../../../lib/train/report/html.ts';

test('escapes values, keeps trusted HTML, and drops null', (t) => {
  t.is(
    html`<i>${'<&>"'}${"'"}</i>${null}${[1, html`<b></b>`]}`.text,
    '<i>&lt;&amp;&gt;&quot;&#39;</i>1<b></b>',
  );
});
