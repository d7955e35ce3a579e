import ava, { type TestFn } from 'ava';
import type { Browser, Page } from 'playwright-core';
import { comparisonPage } from '../../../../lib/train/report/run/compare.ts';
import { contrast, heatLuminance } from '../../../../lib/train/report/run/contrast.ts';
import { explorePage } from '../../../../lib/train/report/run/explore.ts';
import { runPage } from '../../../../lib/train/report/run/page.ts';
import { studyPage } from '../../../../lib/train/report/study/study.ts';
import { parseAxis } from '../../../../lib/train/study/axes.ts';
import { makePlan } from '../../../../lib/train/study/plan.ts';
import { openBrowser } from '../../../browser.ts';
import { fakeRun, stepRow } from '../../fake-run.ts';
import { plan, seeds, syntheticStudy } from '../../study/synthetic-study.ts';

const test = ava as TestFn<{ browser: Browser | null }>;

test.before(async (t) => {
  t.context.browser = await openBrowser();
});
test.after.always(async (t) => {
  await t.context.browser?.close();
});

const many = { t: parseAxis('t', '0.02,0.03,0.05,0.07,0.1,0.15,0.2,0.3,0.5') };
const manyTemperatures = makePlan({ axes: many, seeds, controls: false });

/** Opens a page with this HTML, and collects the errors of its scripts. */
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

test('every page fits narrow and wide windows, and no script throws', async (t) => {
  const { browser } = t.context;
  if (browser === null) {
    t.log('SKIPPED: no Chromium in PATH (CHROMIUM=... names one)');
    return t.pass();
  }
  const pages = {
    run: runPage(fakeRun('run-1')),
    comparison: comparisonPage([fakeRun('one'), fakeRun('two', { geometry: 'chordal' })]),
    study: studyPage(syntheticStudy(1, { hyperbolic: 0.06 }, plan(true))),
    wide: studyPage(syntheticStudy(1, {}, manyTemperatures)),
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

test('a scrollable table is shaded at its right edge, and a single chart stays small', async (t) => {
  const { browser } = t.context;
  if (browser === null) {
    t.log('SKIPPED: no Chromium in PATH (CHROMIUM=... names one)');
    return t.pass();
  }
  const bare = { ...fakeRun('one'), rows: [stepRow(1), stepRow(2)] };
  const { page } = await show(browser, comparisonPage([bare]), 1280);
  t.is(await page.evaluate<number>("document.querySelector('.chart').offsetWidth"), 520);
  await page.setContent(studyPage(syntheticStudy(1, {}, plan(true))));
  const shade = (at: number): Promise<boolean> => rightEdgeChanges(page, at);
  t.false(await shade(0)); // the whole table is visible
  await page.setViewportSize({ width: 400, height: 800 });
  t.true(await shade(0));
  t.false(await shade(10_000)); // scrolled to its end
  await page.close();
});

test('the name of an option is never split across lines', async (t) => {
  const { browser } = t.context;
  if (browser === null) {
    t.log('SKIPPED: no Chromium in PATH (CHROMIUM=... names one)');
    return t.pass();
  }
  const long = { path: `data/${'images_of_birds/'.repeat(6)}`, emb_name: 'e'.repeat(60) };
  const text = runPage(fakeRun('run-1', long));
  for (const width of [400, 1280]) {
    const { page } = await show(browser, text, width);
    const broken = await page.evaluate<string[]>(`[...document.querySelectorAll('.settings dt')]
      .filter((dt) => { const range = document.createRange(); range.selectNodeContents(dt); return range.getClientRects().length > 1; })
      .map((dt) => dt.textContent)`);
    t.deepEqual(broken, [], `${width}`);
    t.is(await page.evaluate<number>('document.documentElement.scrollWidth'), width);
    await page.close();
  }
});

test('the computed contrast of a heat map equals that in a browser', async (t) => {
  const { browser } = t.context;
  if (browser === null) {
    t.log('SKIPPED: no Chromium in PATH (CHROMIUM=... names one)');
    return t.pass();
  }
  const { page } = await show(browser, studyPage(syntheticStudy(1, {}, plan(true))), 1280);
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    const cells = await page.evaluate<[number[], number[], string][]>(`(() => {
      const context = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
      const drawn = (color) => {
        context.fillStyle = color;
        context.fillRect(0, 0, 1, 1);
        return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
      };
      return [...document.querySelectorAll('td.heat')].map((cell) => {
        const { color, backgroundColor } = getComputedStyle(cell);
        return [drawn(color), drawn(backgroundColor), cell.style.getPropertyValue('--heat')];
      });
    })()`);
    t.true(cells.length > 10);
    for (const [ink, ground, share] of cells) {
      const found = contrast(luminance(ink), luminance(ground));
      t.true(found >= 4.5, `${ink} on ${ground} in ${colorScheme}: ${found}`);
      t.true(Math.abs(luminance(ground) - heatLuminance(Number(share), colorScheme)) < 0.01);
    }
  }
  await page.close();
});

function luminance(bytes: readonly number[]): number {
  const [r, g, b] = bytes.map((byte) => {
    const value = byte / 255;
    return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  }) as [number, number, number];
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

/** Whether the right edge of the widest table, with the text hidden, has a visible background. */
async function rightEdgeChanges(page: Page, scrolled: number): Promise<boolean> {
  const box = await page.evaluate<{ x: number; y: number; width: number; height: number }>(`(() => {
    const all = [...document.querySelectorAll('.scroll')];
    const widest = all.sort((a, b) => b.scrollWidth - a.scrollWidth)[0];
    widest.style.background = '';
    widest.firstElementChild.style.visibility = 'hidden';
    widest.scrollIntoView();
    widest.scrollLeft = ${scrolled};
    widest.id = 'widest';
    const { right, top } = widest.getBoundingClientRect();
    return { x: right - 6, y: top + 20, width: 6, height: 20 };
  })()`);
  const before = await page.screenshot({ clip: box });
  await page.evaluate("document.querySelector('#widest').style.background = 'none'");
  return !before.equals(await page.screenshot({ clip: box }));
}

test('the pointer shows only values of lines that have one at its position', async (t) => {
  const { browser } = t.context;
  if (browser === null) {
    t.log('SKIPPED: no Chromium in PATH (CHROMIUM=... names one)');
    return t.pass();
  }
  const long = { ...fakeRun('long'), rows: [1, 2, 3, 4].map(stepRow) };
  const { page } = await show(
    browser,
    comparisonPage([{ ...long, name: 'short', rows: [stepRow(1)] }, long]),
    1280,
  );
  const chart = page.locator('svg[data-chart]');
  const { width, height } = (await chart.boundingBox())!;
  const read = async (x: number): Promise<string> => {
    await chart.hover({ position: { x, y: height / 2 } });
    return await page.locator('.tip').innerText();
  };
  t.is(await read(width - 16), 'step 4\nlong 2.5');
  t.is(await read(50), 'step 1\nshort 10\nlong 10');
  await page.close();
});

test('the table is recomputed when a slider moves', async (t) => {
  const { browser } = t.context;
  if (browser === null) {
    t.log('SKIPPED: no Chromium in PATH (CHROMIUM=... names one)');
    return t.pass();
  }
  const { page } = await show(browser, explorePage(), 1280);
  const cells = (row: number): Promise<string[]> =>
    page.locator(`#shares tbody tr:nth-child(${row}) td`).allInnerTexts();
  const hyperbolic = await cells(3);
  t.deepEqual(hyperbolic.slice(3), ['0.042', '0.099', '0.15']); // at t_h = 0.2 and c = 0.1
  await page.locator('#t_h').fill(String(Math.log(0.4).toFixed(3)));
  const warmer = (await cells(3)).slice(3).map(Number);
  for (const [i, value] of [0.0845, 0.198, 0.294].entries()) t.true(Math.abs(warmer[i]! / value - 1) < 0.03);
  t.deepEqual((await cells(2)).slice(3), ['0.1', '0.1', '0.1']);
  // The hardest 1% of the negatives weigh less at a higher temperature.
  t.true(Number.parseFloat((await cells(3))[1]!) < Number.parseFloat(hyperbolic[1]!));
});
