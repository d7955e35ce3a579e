import ava, { type TestFn } from 'ava';
import type { Browser, Page } from 'playwright-core';
import { comparisonPage } from '../../lib/train/report/compare.ts';
import { explorePage } from '../../lib/train/report/explore.ts';
import { runPage } from '../../lib/train/report/page.ts';
import { studyPage } from '../../lib/train/report/study.ts';
import { openBrowser } from '../browser.ts';
import { fakeRun } from './fake-run.ts';
import { madeUp, plan } from './sweep/made-up.ts';

const test = ava as TestFn<{ browser: Browser | null }>;

test.before(async (t) => {
  t.context.browser = await openBrowser();
});
test.after.always(async (t) => {
  await t.context.browser?.close();
});

/** Opens a page of text; errors of its script are collected. */
async function show(
  browser: Browser,
  text: string,
  width: number,
): Promise<{ page: Page; errors: string[] }> {
  const page = await browser.newPage({ viewport: { width, height: 800 } });
  const errors: string[] = [];
  page.on('pageerror', (error) => void errors.push(error.message));
  await page.setContent(text);
  return { page, errors };
}

test('no page is wider than a telephone or a desk, and no script fails', async (t) => {
  const { browser } = t.context;
  if (browser === null) {
    t.log('SKIPPED: no Chromium in PATH (CHROMIUM=... names one)');
    return t.pass();
  }
  const pages = {
    run: runPage(fakeRun('run-1')),
    comparison: comparisonPage([fakeRun('one'), fakeRun('two', { geometry: 'chordal' })]),
    study: studyPage(madeUp(1, { hyperbolic: 0.06 }, plan(true))),
    explore: explorePage(),
  };
  for (const [name, text] of Object.entries(pages)) {
    for (const width of [400, 1280]) {
      const { page, errors } = await show(browser, text, width);
      t.is(await page.evaluate<number>('document.documentElement.scrollWidth'), width, `${name} at ${width}`);
      t.deepEqual(errors, [], name);
      await page.close();
    }
  }
});

test('the sliders move the numbers as the formulas do', async (t) => {
  const { browser } = t.context;
  if (browser === null) {
    t.log('SKIPPED: no Chromium in PATH (CHROMIUM=... names one)');
    return t.pass();
  }
  const { page } = await show(browser, explorePage(), 1280);
  const cells = (row: number): Promise<string[]> =>
    page.locator(`#shares tbody tr:nth-child(${row}) td`).allInnerTexts();
  const hyperbolic = await cells(3);
  t.deepEqual(hyperbolic.slice(3), ['0.042', '0.099', '0.15']); // t_h 0.2 at c 0.1
  await page.locator('#t_h').fill(String(Math.log(0.4).toFixed(3)));
  const warmer = (await cells(3)).slice(3).map(Number);
  for (const [i, value] of [0.0845, 0.198, 0.294].entries()) t.true(Math.abs(warmer[i]! / value - 1) < 0.03);
  t.deepEqual((await cells(2)).slice(3), ['0.1', '0.1', '0.1']);
  t.true(Number.parseFloat((await cells(3))[1]!) < Number.parseFloat(hyperbolic[1]!)); // warmer: less on the hardest
});
