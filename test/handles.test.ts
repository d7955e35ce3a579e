// Checks how exported classes that hold a resource release it: with `using` or `await using`, `dispose` or `close`.
import test from 'ava';
import * as embed from '../lib/embed/index.ts';
import * as core from '../lib/index.ts';
import * as io from '../lib/io/index.ts';
import * as train from '../lib/train/index.ts';

const classes = Object.entries({ ...core, ...io, ...embed, ...train }).filter(([, value]) =>
  /^class\b/.test(Function.prototype.toString.call(typeof value === 'function' ? value : () => {})),
) as unknown as [string, { readonly prototype: object }][];

test('handles work with `using` or `await using`, and free memory and threads with `dispose`', (t) => {
  const found = classes.filter(([, { prototype }]) => 'dispose' in prototype || 'close' in prototype);
  const kinds = found.map(([name, { prototype }]) => {
    const [now, later] = [Symbol.dispose in prototype, Symbol.asyncDispose in prototype];
    t.true(now || later, `${name} has neither Symbol.dispose nor Symbol.asyncDispose`);
    if (!('close' in prototype)) t.true(now, `${name}: dispose`);
    return [name, { dispose: 'dispose' in prototype, close: 'close' in prototype, now, later }] as const;
  });
  const withClose = Object.fromEntries(kinds.filter(([, { close }]) => close));
  t.deepEqual(withClose, {
    EventWriter: { dispose: false, close: true, now: false, later: true },
    Gallery: { dispose: true, close: true, now: true, later: false },
    ImageEmbedder: { dispose: true, close: true, now: false, later: true },
    ProcessGroup: { dispose: true, close: true, now: true, later: true },
  });
  t.true(kinds.length > 10);
});
