import { createHash } from 'node:crypto';
import { request } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { Dashboard } from '../../../lib/train/dashboard/server.ts';
import { LiveState } from '../../../lib/train/dashboard/state.ts';
import { parseConfig } from '../../../lib/train/options/resolve.ts';
import type { StepRow } from '../../../lib/train/run/record.ts';
import { fakeSnapshot, stepRow } from '../fake-run.ts';

const live = (): LiveState => new LiveState(parseConfig({ name: 'my-run' }));

/** Sends a request and returns the response. Unlike with `fetch`, the headers may include Host. */
function get(
  url: string,
  headers: Record<string, string> = {},
  method = 'GET',
  path = new URL(url).pathname,
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { headers, method, path }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      response.on('end', () => resolve({ status: response.statusCode!, text }));
    });
    asked.on('error', reject).end();
  });
}

test('the page is self-contained, and the server listens on 127.0.0.1 and rejects other hosts, methods and paths', async (t) => {
  await using dashboard = await Dashboard.open(live(), 0);
  const { status, text } = await get(dashboard.url);
  t.is(status, 200);
  t.regex(text, /my-run/);
  t.notRegex(text, /src\s*=\s*["'](?!data:)|url\(|@import|<link/i);
  t.is((await get(dashboard.url, { host: 'rebound.example' })).status, 403);
  t.is((await get(dashboard.url, {}, 'POST')).status, 405);
  t.is((await get(`${dashboard.url}etc/passwd`)).status, 404);
  t.is((await get(dashboard.url, {}, 'GET', '//[')).status, 400);
  t.regex(dashboard.url, /^http:\/\/127\.0\.0\.1:\d+\/$/);
});

test('the browser runs the script of the page and no other', async (t) => {
  await using dashboard = await Dashboard.open(live(), 0);
  const response = await fetch(dashboard.url);
  const policy = response.headers.get('content-security-policy')!;
  const [, script] = /<script type="module">([\s\S]*?)<\/script>/.exec(await response.text())!;
  const hash = createHash('sha256').update(script!).digest('base64');
  t.is(/script-src ([^;]*)/.exec(policy)?.[1], `'sha256-${hash}'`);
  t.regex(policy, /^default-src 'none'; .*base-uri 'none'; form-action 'self'; frame-ancestors 'none'$/);
  t.is(response.headers.get('x-content-type-options'), 'nosniff');
});

test('the error for a port in use is one sentence', async (t) => {
  await using first = await Dashboard.open(live(), 0);
  const port = Number(new URL(first.url).port);
  await t.throwsAsync(Dashboard.open(live(), port), {
    code: 'ERR_HOROBALL_PORT',
    message: new RegExp(`expected a free port, got ${port} \\(already in use\\)`),
  });
});

/** Sets a snapshot whose image has `size` times the digit. */
function draw(state: LiveState, digit: number, size: number): void {
  const snapshot = fakeSnapshot();
  const thumbnail = `data:image/png;base64,${String(digit).repeat(size)}`;
  const query = { ...snapshot.gallery[0]!.query, thumbnail };
  state.onSnapshot({ ...snapshot, gallery: [{ query, nearest: [] }] });
}

test('a page that is still reading an update when the run ends gets the last one too', async (t) => {
  const state = live();
  const dashboard = await Dashboard.open(state, 0);
  draw(state, 1, 2e7);
  const socket = connect(Number(new URL(dashboard.url).port), '127.0.0.1').pause();
  socket.write('GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n');
  await sleep(900); // more than the pause between two updates
  state.onWarning('the last warning');
  const closed = dashboard.close();
  const parts: Buffer[] = [];
  for await (const part of socket) parts.push(part);
  await closed;
  const text = Buffer.concat(parts);
  t.true(text.includes('the last warning'));
  t.true(text.includes('event: end'));
});

test('a page that stops reading gets only the latest state of each part once it continues', async (t) => {
  const state = live();
  await using dashboard = await Dashboard.open(state, 0);
  const size = 4e6;
  const socket = connect(Number(new URL(dashboard.url).port), '127.0.0.1');
  t.teardown(() => socket.destroy());
  socket.pause();
  socket.write('GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n');
  for (let epoch = 1; epoch <= 8; epoch++) {
    draw(state, epoch, size);
    await sleep(600); // slightly more than the pause between two updates
  }
  let bytes = 0;
  let last = '';
  socket.on('data', (part) => {
    bytes += part.length;
    last = part.toString('latin1').at(-1000) ?? last;
  });
  socket.resume();
  await sleep(3000);
  t.true(bytes > 2 * size - 1e6, `${bytes}`);
  t.true(bytes < 5 * size, `${bytes}`);
  t.is(last, '8');
});

test('hundreds of pages use few descriptors, and each part is rendered once for all of them', async (t) => {
  const state = live();
  await using dashboard = await Dashboard.open(state, 0);
  const port = Number(new URL(dashboard.url).port);
  let open = 0;
  const sockets = Array.from({ length: 300 }, () => {
    const socket = connect(port, '127.0.0.1').on('error', () => {});
    socket.once('data', () => open++);
    socket.write('GET /events HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n');
    return socket;
  });
  t.teardown(() => {
    for (const socket of sockets) socket.destroy();
  });
  for (let waited = 0; open <= 10 && waited < 60; waited++) await sleep(500);
  await sleep(1500); // time for connections beyond the limit
  t.true(open > 10 && open <= 64, `${open}`);
  let rendered = 0;
  const rows = [stepRow(1), stepRow(2)];
  Object.defineProperty(state.run, 'rows', {
    get: () => {
      rendered++;
      return rows;
    },
  });
  state.onWarning('one'); // changes the status only
  await sleep(900);
  t.true(rendered > 0 && rendered < 10, `${rendered}`);
});

test('events contain every part initially, then the parts that changed, then the end', async (t) => {
  const state = live();
  const dashboard = await Dashboard.open(state, 0);
  const reply = get(`${dashboard.url}events`);
  await new Promise((resolve) => setTimeout(resolve, 300));
  state.onStep(stepRow(1) as StepRow, 4);
  state.onStep(stepRow(2) as StepRow, 4);
  state.onWarning('skipped a.jpg: <b>');
  await new Promise((resolve) => setTimeout(resolve, 900));
  state.onSnapshot(fakeSnapshot());
  state.onEnd('complete');
  await dashboard.close();
  const { text } = await reply;
  const events = [...text.matchAll(/^event: (\w+)$/gm)].map(([, name]) => name!);
  t.deepEqual(events.slice(0, 4), ['status', 'curves', 'health', 'images']);
  t.deepEqual(new Set(events.slice(4, 6)), new Set(['status', 'curves']));
  t.deepEqual(new Set(events.slice(6, 8)), new Set(['images', 'status']));
  t.is(events.at(-1), 'end');
  t.is(events.length, 9); // two steps and a warning at once are one update
  t.regex(text, /step 2 of 4/);
  t.regex(text, /skipped a\.jpg: &lt;b&gt;/);
  t.regex(text, /Finished/);
});
