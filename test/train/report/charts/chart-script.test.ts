import ava, { type TestFn } from 'ava';
import type { Browser } from 'playwright-core';
import { lossChart } from '../../../../lib/train/report/charts/curves.ts';
import { html } from '../../../../lib/train/report/html.ts';
import { page } from '../../../../lib/train/report/run/page.ts';
import { type StepRow, stepsOf } from '../../../../lib/train/run/record.ts';
import { openBrowser } from '../../../browser.ts';
import { stepRow } from '../../fake-run.ts';

const test = ava as TestFn<{ browser: Browser | null }>;

test.before(async (t) => {
  t.context.browser = await openBrowser();
});
test.after.always(async (t) => {
  await t.context.browser?.close();
});

const steps: StepRow[] = stepsOf(Array.from({ length: 20 }, (_, i) => stepRow(i + 1)));

/** A page with one chart of the loss 10 / step; the event `update` replaces the chart, as on a live page. */
const live = page('', html`<div id="part">${lossChart(steps)}</div>`, {
  more: `
const part = document.getElementById('part');
const first = part.innerHTML;
addEventListener('update', () => { part.innerHTML = first; wire(part); });`,
});

test('dragging over a chart zooms in, a live update keeps the zoom, and a double-click zooms out', async (t) => {
  const { browser } = t.context;
  if (browser === null) {
    t.log('SKIPPED: no Chromium in PATH (CHROMIUM=... names one)');
    return t.pass();
  }
  const opened = await browser.newPage({ viewport: { width: 1280, height: 900 } });
  const errors: string[] = [];
  opened.on('pageerror', (error) => void errors.push(error.message));
  await opened.setContent(live);
  const chart = opened.locator('svg[data-chart]');
  const ticks = (): Promise<number[]> =>
    chart
      .locator('.tick[text-anchor=middle]')
      .allTextContents()
      .then((texts) => texts.map(Number));
  const whole = await chart.innerHTML();
  t.deepEqual(await ticks(), [5, 10, 15, 20]);

  const { x, y, width } = (await chart.boundingBox())!;
  const unit = width / 460;
  const at = (step: number): number => x + unit * (44 + ((step - 1) / 19) * 402);
  await opened.mouse.move(at(4.9), y + 90);
  await opened.mouse.down();
  await opened.mouse.move(at(10.1), y + 60, { steps: 3 });
  await opened.mouse.up();
  t.deepEqual(await ticks(), [6, 8, 10]);
  const shown = (await chart.locator('.plot').getAttribute('viewBox'))!.split(' ').map(Number);
  t.true(Math.abs(shown[2]! - (402 * 5.2) / 19) < 1, `width ${shown[2]}`);
  await opened.mouse.move(at(20), y + 60);
  t.is(await opened.locator('.tip').innerText(), 'step 10\nloss 1');

  await opened.evaluate("dispatchEvent(new Event('update'))");
  t.deepEqual(await ticks(), [6, 8, 10]);
  await chart.dblclick();
  await opened.mouse.move(0, 0);
  t.is(await chart.innerHTML(), whole);
  t.deepEqual(errors, []);
});
