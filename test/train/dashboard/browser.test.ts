import ava, { type TestFn } from 'ava';
import type { Browser } from 'playwright-core';
import { Dashboard } from '../../../lib/train/dashboard/server.ts';
import { LiveState } from '../../../lib/train/dashboard/state.ts';
import { parseConfig } from '../../../lib/train/options/resolve.ts';
import type { EvaluationRow, StepRow } from '../../../lib/train/run/record.ts';
import { openBrowser } from '../../browser.ts';
import { evaluationRow, fakeHealth, fakeSnapshot, stepRow } from '../fake-run.ts';

const test = ava as TestFn<{ browser: Browser | null }>;

test.before(async (t) => {
  t.context.browser = await openBrowser();
});
test.after.always(async (t) => {
  await t.context.browser?.close();
});

test('shows a run in progress at any width, in light and dark, and contacts no other host', async (t) => {
  const { browser } = t.context;
  if (browser === null) {
    t.log('SKIPPED: no Chromium in PATH (CHROMIUM=... names one)');
    return t.pass();
  }
  const state = new LiveState(parseConfig({ name: 'my-run' }));
  const dashboard = await Dashboard.open(state, 0);
  const origin = dashboard.url;
  const page = await browser.newPage({ viewport: { width: 400, height: 800 }, colorScheme: 'dark' });
  const [errors, asked]: [string[], string[]] = [[], []];
  page.on('console', (message) => void (message.type() === 'error' && errors.push(message.text())));
  page.on('pageerror', (error) => void errors.push(error.message));
  page.on('request', (sent) => void asked.push(sent.url()));
  await page.goto(dashboard.url);
  await page.getByText('before the first step').waitFor();

  state.onEvaluation(evaluationRow(0, 0.06) as EvaluationRow);
  for (const step of [1, 2, 3]) state.onStep(stepRow(step) as StepRow, 8);
  state.onHealth(fakeHealth);
  state.onEvaluation(evaluationRow(3, 0.6) as EvaluationRow);
  state.onSnapshot(fakeSnapshot());
  await page.getByText('step 3 of 8').waitFor();
  await page.locator('#images .disk circle[data-class]').first().waitFor();
  t.is(await page.locator('#images .disk circle[data-class]').count(), 8);
  t.is(await page.locator('#images .gallery img').count(), 2);
  t.is(await page.locator('#curves svg[data-chart]').count(), 4); // loss, recall, throughput, wait
  t.is(await page.locator('#health rect').count(), 4);
  t.regex(await page.locator('#health').innerText(), /25% of the points are at the boundary/);

  // Charts that were added later still show values under the pointer.
  await page.locator('#curves svg[data-chart]').first().hover();
  t.regex(await page.locator('.tip').innerText(), /step \d.*loss/s);
  const width = (): Promise<number> => page.evaluate('document.documentElement.scrollWidth');
  t.is(await width(), 400);
  const dark = await page.evaluate('getComputedStyle(document.body).backgroundColor');
  await page.emulateMedia({ colorScheme: 'light' });
  t.not(await page.evaluate('getComputedStyle(document.body).backgroundColor'), dark);
  await page.setViewportSize({ width: 1280, height: 900 });
  t.is(await width(), 1280);

  state.onEnd('complete');
  await dashboard.close();
  await page.getByText('Finished').waitFor();
  t.deepEqual(errors, []);
  t.true(
    asked.every((url) => url.startsWith(origin) || url.startsWith('data:')),
    asked.join(),
  );
});
