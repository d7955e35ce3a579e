import { Script } from 'node:vm';
import test from 'ava';
import { livePage } from '../../../lib/train/dashboard/live-page.ts';
import { topics } from '../../../lib/train/dashboard/sections.ts';
import { LiveState } from '../../../lib/train/dashboard/state.ts';
import { parseConfig } from '../../../lib/train/options/resolve.ts';

const run = () => new LiveState(parseConfig({ name: 'mine', model: 'vit_nano', seed: 7 })).run;

test('the page has the name of its run, one part per topic, and the settings', (t) => {
  const page = livePage(run());
  t.regex(page, /<title>mine · horoball live<\/title>/);
  t.regex(page, /hybrid loss, vit_nano on shapes, seed 7\./);
  for (const topic of topics) t.is(page.split(`id="${topic}"`).length, 2, topic);
  t.regex(page, /<h2>Settings<\/h2>/);
  t.notRegex(page, /src\s*=\s*["'](?!data:)|url\(|@import|<link/i);
});

test('escapes names', (t) => {
  const page = livePage({ ...run(), name: '</title><script>alert(1)</script>' });
  t.false(page.includes('<script>alert'));
});

/** Runs the page's script on events of its source. */
function played(events: (source: EventSourceLike) => void) {
  const parts = new Map<string, { innerHTML: string }>();
  const wired: unknown[] = [];
  const state = { textContent: 'Training' };
  const source: EventSourceLike = {
    readyState: 1,
    listeners: new Map(),
    closed: false,
    addEventListener: (name, listener) => void source.listeners.set(name, listener),
    close: () => {
      source.closed = true;
      source.readyState = 2;
    },
  };
  const page = livePage(run());
  const script = page.slice(page.indexOf('\nconst source = new EventSource'), page.lastIndexOf('</script>'));
  const document = {
    getElementById: (id: string) => parts.get(id) ?? parts.set(id, { innerHTML: '' }).get(id),
    querySelector: () => state,
  };
  const EventSource = Object.assign(
    function open() {
      return source;
    },
    { CLOSED: 2 },
  );
  new Script(script).runInNewContext({
    document,
    EventSource,
    wire: (part: unknown) => void wired.push(part),
  });
  events(source);
  return { parts, wired, state, source };
}

interface EventSourceLike {
  readyState: number;
  listeners: Map<string, (event: { data: string }) => void>;
  closed: boolean;
  addEventListener(name: string, listener: (event: { data: string }) => void): void;
  close(): void;
  onerror?: () => void;
}

test('an event replaces only its part and attaches the handlers again', (t) => {
  const { parts, wired } = played(({ listeners }) =>
    listeners.get('curves')!({ data: JSON.stringify('<p>new</p>') }),
  );
  t.deepEqual([...parts], [['curves', { innerHTML: '<p>new</p>' }]]);
  t.deepEqual(wired, [parts.get('curves')]);
});

test('a lost connection is shown, but not after the end', (t) => {
  t.is(played((source) => source.onerror!()).state.textContent, 'Connection lost');
  const { source, state } = played((source) => {
    source.listeners.get('end')!({ data: '' });
    source.onerror!();
  });
  t.true(source.closed);
  t.is(state.textContent, 'Training');
});
