import { request } from 'node:http';
import { join, resolve } from 'node:path';
import test from 'ava';
import { parseConfig } from '../../../lib/train/config.ts';
import { Dashboard } from '../../../lib/train/dashboard/server.ts';
import { LiveState } from '../../../lib/train/dashboard/state.ts';
import type { StepRow } from '../../../lib/train/record.ts';
import { fakeSnapshot, stepRow } from '../fake-run.ts';

const live = (): LiveState => new LiveState(parseConfig({ name: 'my-run' }));

/** A request with any head; `fetch` does not let one choose the host. */
function get(
  url: string,
  headers: Record<string, string> = {},
  method = 'GET',
): Promise<{ status: number; text: string }> {
  return new Promise((resolve, reject) => {
    const asked = request(url, { headers, method }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      response.on('end', () => resolve({ status: response.statusCode!, text }));
    });
    asked.on('error', reject).end();
  });
}

test('the page is whole by itself, and no one but this machine by its own name gets it', async (t) => {
  await using dashboard = await Dashboard.open(live(), 0);
  const { status, text } = await get(dashboard.url);
  t.is(status, 200);
  t.regex(text, /my-run/);
  t.notRegex(text, /src\s*=\s*["'](?!data:)|url\(|@import|<link/i);
  t.is((await get(dashboard.url, { host: 'rebound.example' })).status, 403);
  t.is((await get(dashboard.url, {}, 'POST')).status, 405);
  t.is((await get(`${dashboard.url}etc/passwd`)).status, 404);
  t.regex(dashboard.url, /^http:\/\/127\.0\.0\.1:\d+\/$/);
});

test('a port that is taken is one sentence', async (t) => {
  await using first = await Dashboard.open(live(), 0);
  const port = Number(new URL(first.url).port);
  await t.throwsAsync(Dashboard.open(live(), port), {
    code: 'ERR_HOROBALL_PORT',
    message: new RegExp(`${port} cannot be had \\(another program uses it\\)`),
  });
});

test('events bring every part at first, then those that changed, then the end', async (t) => {
  const state = live();
  const dashboard = await Dashboard.open(state, 0);
  const reply = get(`${dashboard.url}events`);
  const heard: number[] = [];
  const hooks = state.joined({ onStep: ({ step }) => void heard.push(step) });
  await new Promise((resolve) => setTimeout(resolve, 300));
  hooks.onStep!(stepRow(1) as StepRow, 4);
  hooks.onStep!(stepRow(2) as StepRow, 4);
  hooks.onWarning!('skipped a.jpg: <b>');
  await new Promise((resolve) => setTimeout(resolve, 900));
  hooks.onSnapshot!(fakeSnapshot());
  state.end('finished');
  await dashboard.close();
  const { text } = await reply;
  const events = [...text.matchAll(/^event: (\w+)$/gm)].map(([, name]) => name!);
  t.deepEqual(events.slice(0, 4), ['status', 'curves', 'health', 'pictures']);
  t.deepEqual(new Set(events.slice(4, 6)), new Set(['status', 'curves']));
  t.deepEqual(new Set(events.slice(6, 8)), new Set(['pictures', 'status']));
  t.is(events.at(-1), 'end');
  t.is(events.length, 9); // two steps and a warning at once are one update
  t.regex(text, /step 2 of 4/);
  t.regex(text, /skipped a\.jpg: &lt;b&gt;/);
  t.regex(text, /Finished/);
  t.deepEqual(heard, [1, 2]);
});

test('a part that cannot be drawn says so, and leaves the others and the run alone', async (t) => {
  const state = live();
  await using dashboard = await Dashboard.open(state, 0);
  state.run.snapshot = { ...fakeSnapshot(), disk: undefined as never };
  const { status, text } = await get(dashboard.url);
  t.is(status, 200);
  t.is(text.match(/This part cannot be drawn/g)?.length, 1);
  t.regex(text, /the first step is being prepared/);
});

test('the page names the folder of its run, new or going on', async (t) => {
  const state = live();
  await using dashboard = await Dashboard.open(state, 0);
  const folder = async (): Promise<string | undefined> =>
    /Run folder: <code>(.*?)<\/code>/.exec((await get(dashboard.url)).text)?.[1];
  t.is(await folder(), undefined);
  state.joined({}).onBegin!(parseConfig({ name: 'my-run' }));
  t.is(await folder(), join('runs', 'my-run'));
  state.joined({}).onResume!(resolve('runs', 'other'), 3);
  t.is(await folder(), join('runs', 'other'));
  const unwritten = live();
  unwritten.joined({}).onBegin!(parseConfig({ runs: null }));
  t.is(unwritten.run.folder, null);
});
