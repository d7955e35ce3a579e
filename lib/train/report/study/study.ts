import { isTemperature, type RunConfig, temperaturesOf } from '../../options/options.ts';
import {
  type Analysis,
  type ArmSummary,
  analyze,
  type CellSummary,
  type Comparison,
  controlsAmong,
  optionOf,
  profile,
  temperatureOf,
} from '../../study/analyze.ts';
import { type Cell, hardNegatives, matchedAt, slopeMatched } from '../../study/plan.ts';
import { resultNotes, runName, type Study } from '../../study/results.ts';
import { fewestSeeds, maxResampled } from '../../study/statistics.ts';
import { lineChart, type Series } from '../charts/chart.ts';
import { colorsOf } from '../charts/color.ts';
import { forestPlot } from '../charts/forest.ts';
import { heatMap } from '../charts/heat.ts';
import { type Html, html, type Part } from '../html.ts';
import { counted } from '../run/extent.ts';
import { duration, page } from '../run/page.ts';
import { barShare, orZero, percent } from '../tables.ts';
import { finishedSeeds, interval, intervalName, points, verdictText } from './words.ts';

/** Renders a complete or partial study as a self-contained page that links to the reports of its runs. */
export function studyPage(study: Study): string {
  const analysis = analyze(study);
  const nothing = analysis.arms.every(({ best }) => best === null);
  return page(
    `${study.name} · horoball`,
    html`<header><p class="brand">horoball study</p><h1>${study.name}</h1>
<p class="lede">${lede(study)}</p>
<p class="verdict">${verdictText(analysis)}</p>${resultNotesOf({ '': study })}</header>
${nothing ? null : html`${temperatureSection(analysis)}${bestSection(analysis)}${contrastSection(analysis)}${controlSection(analysis)}${heatSection(analysis)}${ablationSection(study, analysis)}`}
${cellsSection(study, analysis)}
${methodSection(study)}`,
  );
}

/** Renders notes about invalid lines in the results of studies; see {@link resultNotes}. */
export function resultNotesOf(studies: Readonly<Record<string, Study>>): Html[] {
  return resultNotes(studies).map((note) => html`<p class="note">${note}</p>`);
}

function lede({ plan, results }: Study): string {
  const total = plan.cells.length * plan.seeds.length;
  const values = (optionIn: (config: RunConfig) => unknown): string =>
    [...new Set(plan.cells.map(({ config }) => optionIn(config)))].join(' or ');
  const epochs = values(({ ep }) => ep);
  const took = results.reduce((sum, { seconds }) => sum + orZero(seconds), 0);
  const arms = [...new Set(plan.cells.map(({ arm }) => arm))];
  const controls = controlsAmong(arms).length;
  const geometries = counted(arms.length - controls, 'geometry', 'geometries');
  const compared = controls === 0 ? geometries : `${geometries} and ${counted(controls, 'control')}`;
  const runsText =
    results.length === total ? counted(total, 'run') : `${results.length} of ${counted(total, 'run')} so far`;
  return `${compared}, ${counted(plan.cells.length, 'setting')}, ${counted(plan.seeds.length, 'paired seed')}: ${runsText} of ${values(({ model }) => model)} on ${values(({ ds }) => ds)}, ${epochs} ${epochs === '1' ? 'epoch' : 'epochs'}, batch size ${values(({ bs }) => bs)}${took > 0 ? `, ${duration(took)} in total` : ''}.`;
}

/** Returns the heading of a column of arms. */
function armName(arms: readonly ArmSummary[]): string {
  return controlsAmong(arms.map(({ arm }) => arm)).length === 0 ? 'Geometry' : 'Geometry or control';
}

const armColor = (arms: readonly ArmSummary[], arm: string): string =>
  colorsOf(arms.map((each) => each.arm))[arms.findIndex((each) => each.arm === arm)]!;

export function temperatureSection({ arms, contrasts }: Analysis): Html {
  const chart = lineChart({
    title: 'Recall@1 on the test classes',
    xLabel: 'temperature',
    series: arms.flatMap((arm) => curve(arm, arms, temperatureOf)),
    percent: true,
    logX: true,
  });
  const rows = contrasts.map(({ more, less, estimate: { mean, low, high }, verdict }) => ({
    name: `${more} − ${less}`,
    mean,
    low,
    high,
    significant: verdict === 'difference',
  }));
  return html`<section><h2>Recall against temperature</h2>
<p>${pointsText(finishedSeeds(arms))}; if other options vary too, the best setting is shown.
Temperatures of different geometries are not comparable: compare the maxima of the curves, not points at the same
temperature.</p><div class="charts">${chart}${rows.length === 0 ? null : forestPlot(finishedSeeds(arms) > 1 ? 'Differences, with settings chosen on the remaining seeds' : 'Differences between the best settings', rows)}</div></section>`;
}

function pointsText(seeds: number): string {
  if (seeds < 2) return 'Points are values of a single seed';
  return `Points are means over seeds with ${seeds < fewestSeeds ? 'the range over seeds (lowest to highest)' : '95% confidence intervals'}`;
}

function curve(arm: ArmSummary, arms: readonly ArmSummary[], xOf: (cell: Cell) => number | string): Series[] {
  const found = profile(arm, xOf).filter(
    (entry): entry is [number, CellSummary] => typeof entry[0] === 'number',
  );
  if (found.length === 0) return [];
  return [
    {
      name: arm.arm,
      color: armColor(arms, arm.arm),
      x: found.map(([value]) => value),
      y: found.map(([, { estimate }]) => estimate.mean),
      low: found.map(([, { estimate }]) => estimate.low),
      high: found.map(([, { estimate }]) => estimate.high),
    },
  ];
}

export function bestSection({ arms }: Analysis): Html {
  const top = Math.max(...arms.map(({ best }) => best?.estimate.mean ?? 0), 1e-9);
  const name = armName(arms);
  return html`<section><h2>Best setting per ${name.toLowerCase()}</h2>
<p>The setting with the highest mean Recall@1 (in percent) per ${name.toLowerCase()}; if several tie, the first is shown.</p>
<div class="scroll"><table><thead><tr><th scope="col">${name}</th><th scope="col">setting</th><th scope="col">mean</th><th scope="col">std. dev.</th><th scope="col">${intervalName(finishedSeeds(arms))}</th><th scope="col">seeds</th></tr></thead><tbody>${arms.map(
    ({ arm, best }) =>
      best === null
        ? null
        : html`<tr><th scope="row">${arm}</th><td>${best.cell.label}</td><td class="bar" style="--share:${barShare(best.estimate.mean, top)}">${percent(best.estimate.mean)}</td><td>${percent(best.estimate.deviation)}</td><td>${interval(best.estimate)}</td><td>${best.estimate.count}</td></tr>`,
  )}</tbody></table></div></section>`;
}

export function contrastSection({ arms, contrasts }: Analysis): Part {
  if (contrasts.length === 0) return null;
  return html`<section><h2>Significance</h2>
<p>${
    finishedSeeds(arms) > 1
      ? html`Paired differences in percentage points, with the setting for each seed chosen on the <em>remaining</em> seeds, because a
setting looks better than it is on the seeds that selected it.`
      : 'Differences in percentage points between the best settings. A single seed both selected and measured them, so they look better than they are.'
  } A difference is significant if p, corrected for multiple
comparisons, is below 0.05.</p>
<div class="scroll"><table><thead><tr><th scope="col">Comparison</th><th scope="col">difference</th><th scope="col">${intervalName(finishedSeeds(arms))}</th><th scope="col">p</th><th scope="col" class="words">verdict</th></tr></thead><tbody>${contrasts.map(
    (each) =>
      html`<tr class="${each.verdict === 'difference' ? 'found' : ''}"><th scope="row">${each.more} over ${each.less}</th><td>${points(each.estimate.mean)}</td><td>${interval(each.estimate)}</td><td>${pText(each)}</td><td class="words">${each.verdict}</td></tr>`,
  )}</tbody></table></div></section>`;
}

function pText({ p }: Comparison): string {
  if (Number.isNaN(p)) return '–';
  return p < 0.001 ? '< 0.001' : p.toFixed(3);
}

function controlSection({ arms, survival }: Analysis): Part {
  if (survival.length === 0) return null;
  const meaning: Record<string, string> = {
    chordal: 'the chord instead of the hyperbolic distance: the remainder is due to curvature itself',
    [hardNegatives]:
      'a Euclidean run that weights negatives explicitly by hardness (strength beta, Robinson et al. 2021): the remainder is not due to a preference for hard negatives',
    [slopeMatched]: `a Euclidean run whose logit has the same slope at a cosine of ${matchedAt}: the remainder is due to the shape of the distance, not its temperature`,
  };
  return html`<section><h2>Curvature or temperature?</h2><p>How much of the advantage of hyperbolic over euclidean remains under each control.</p>
<ul>${survival.map(({ control, effect, left }) => {
    const share =
      effect.verdict === 'difference' && effect.estimate.mean > 0
        ? `${Math.round((100 * left.estimate.mean) / effect.estimate.mean)}% of the advantage over euclidean; `
        : '';
    const significance =
      left.verdict === 'too few seeds'
        ? 'there are too few seeds to test the remainder'
        : `the remainder is ${left.verdict === 'difference' ? 'significant' : 'not significant'}`;
    return html`<li><b>${control}</b>, ${meaning[control] ?? ''}. Recall@1 of hyperbolic is ${points(effect.estimate.mean)} points relative to euclidean; relative to this control, ${points(left.estimate.mean)} points remain (${share}${intervalName(finishedSeeds(arms))} ${interval(left.estimate)}); ${significance}.</li>`;
  })}</ul></section>`;
}

function heatSection({ arms: all }: Analysis): Part {
  const arms = all.filter(({ arm }) => arm !== slopeMatched); // its temperatures are not comparable with the others
  const at = (cell: Cell): number => temperatureOf(cell);
  const columns = [...new Set(arms.flatMap(({ cells }) => cells.map(({ cell }) => at(cell))))].sort(
    (a, b) => a - b,
  );
  const row = (arm: ArmSummary): (number | null)[] => {
    const found = new Map(profile(arm, at).map(([value, summary]) => [value, summary.estimate.mean]));
    return columns.map((column) => found.get(column) ?? null);
  };
  const overall = heatMap(
    `By ${armName(all).toLowerCase()}`,
    { name: 'temperature', values: columns },
    arms.map((arm) => ({ name: arm.arm, values: row(arm) })),
  );
  const grids = arms.flatMap((arm) =>
    [square(arm, 't_e', 't_h'), square(arm, 'hyp_c', 't_h'), square(arm, 'lam', 't_h')].filter(
      (one) => one !== null,
    ),
  );
  return html`<section><h2>Heat maps</h2><p>Mean Recall@1 in percent.</p><div class="heatmaps">${overall}${grids}</div></section>`;
}

/**
 * Returns a heat map of two varying options for one geometry; null if the runs do not form a grid, or if the geometry does not
 * use one of these temperatures.
 */
function square(arm: ArmSummary, down: 't_e' | 'hyp_c' | 'lam', across: 't_h'): Html | null {
  const values = (key: 't_e' | 'hyp_c' | 'lam' | 't_h'): number[] =>
    [...new Set(arm.cells.map(({ cell }) => cell.config[key]))].sort((a, b) => a - b);
  const [rows, columns] = [values(down), values(across)];
  const used: readonly string[] = temperaturesOf(arm.cells[0]!.cell.config.geometry);
  if (rows.length < 2 || columns.length < 2 || rows.length * columns.length > arm.cells.length) return null;
  if (!used.includes(across) || (down === 't_e' && !used.includes(down))) return null;
  const found = new Map(
    profile(arm, ({ config }) => `${config[down]} ${config[across]}`).map(([key, { estimate }]) => [
      key,
      estimate.mean,
    ]),
  );
  return heatMap(
    `${arm.arm}: ${down} down, ${across} across`,
    { name: `${down} \\ ${across}`, values: columns },
    rows.map((row) => ({
      name: String(row),
      values: columns.map((column) => found.get(`${row} ${column}`) ?? null),
    })),
  );
}

function ablationSection({ plan }: Study, { arms }: Analysis): Part {
  const names = plan.varied.filter((name) => !isTemperature(name));
  if (names.length === 0) return null;
  return html`<section><h2>Other options</h2><p>For each value, the best setting of all other options.</p><div class="charts">${names.map(
    (name) => {
      const numeric = arms.every((arm) =>
        arm.cells.every(({ cell }) => typeof optionOf(cell, name) === 'number'),
      );
      const vary = arms.filter(
        ({ cells }) => new Set(cells.map(({ cell }) => optionOf(cell, name))).size > 1,
      );
      const xOf = (cell: Cell): number | string => optionOf(cell, name);
      if (!numeric) return optionTable(name, vary);
      const values = vary.flatMap(({ cells }) => cells.map(({ cell }) => Number(optionOf(cell, name))));
      return lineChart({
        title: `Recall@1 by ${name}`,
        xLabel: name,
        series: vary.flatMap((arm) => curve(arm, arms, xOf)),
        percent: true,
        logX: values.every((value) => value > 0),
      });
    },
  )}</div></section>`;
}

function optionTable(name: CellOption, arms: readonly ArmSummary[]): Html {
  return html`<div class="scroll"><table><thead><tr><th scope="col">${name}</th><th scope="col">${armName(arms)}</th><th scope="col">Recall@1</th><th scope="col">${intervalName(finishedSeeds(arms))}</th></tr></thead><tbody>${arms.flatMap(
    (arm) =>
      profile(arm, (cell) => optionOf(cell, name)).map(
        ([value, { estimate }]) =>
          html`<tr><th scope="row">${value}</th><td>${arm.arm}</td><td>${percent(estimate.mean)}</td><td>${interval(estimate)}</td></tr>`,
      ),
  )}</tbody></table></div>`;
}

type CellOption = Parameters<typeof optionOf>[1];

function cellsSection({ plan, results }: Study, { arms }: Analysis): Html {
  const done = new Set(results.map(({ cell, seed }) => `${cell} ${seed}`));
  const link = ({ cell, scores }: CellSummary, seed: number): Html => {
    const score = scores.get(seed);
    if (!done.has(`${cell.id} ${seed}`)) return html`<td>–</td>`;
    const text = score === undefined ? 'failed' : percent(score);
    return score === undefined
      ? html`<td>${text}</td>`
      : html`<td><a href="runs/${runName(cell, seed)}/report.html">${text}</a></td>`;
  };
  return html`<section><h2>All runs</h2><p>Recall@1 in percent; each value links to the report of its run.${
    results.some(({ spaces }) => spaces === null)
      ? ' A setting with a failed run (non-finite loss, or no evaluation after the last epoch) is not a candidate for the best setting.'
      : null
  }</p>
<div class="scroll"><table><thead><tr><th scope="col">Setting</th>${plan.seeds.map((seed) => html`<th scope="col">seed ${seed}</th>`)}<th scope="col">mean</th><th scope="col">std. dev.</th></tr></thead><tbody>${arms.flatMap(
    ({ arm, cells }) =>
      cells.map(
        (summary) =>
          html`<tr><th scope="row">${arm} ${summary.cell.label}</th>${plan.seeds.map((seed) => link(summary, seed))}<td>${percent(summary.estimate.mean)}</td><td>${percent(summary.estimate.deviation)}</td></tr>`,
      ),
  )}</tbody></table></div></section>`;
}

/** Describes how reliable intervals are; the coverage for five seeds is measured in statistics.test.ts. */
function coverageText(seeds: number): string {
  if (seeds < 5) return '; with fewer than five seeds, intervals are rough';
  if (seeds > maxResampled) return `; Student's intervals for more than ${maxResampled} seeds`;
  return seeds === 5 ? ': with five seeds, they cover the true value 92 times out of 100' : '';
}

function methodSection({ plan }: Study): Html {
  const { length } = plan.seeds;
  return html`<section><h2>How to read this report</h2>
<p>Every setting was run with the same ${length === 1 ? 'seed' : `${length} seeds`}. A seed determines the initial weights, the order of the images and their
crops, so two runs with the same seed differ only in their settings, and differences are computed per seed.</p>
${
  length < fewestSeeds
    ? html`<p>${length === 1 ? 'With a single seed, the report shows values without intervals' : 'With fewer than three seeds, the report shows the lowest and highest values instead of intervals'}, and tests nothing.</p>`
    : html`<p>Intervals are bootstrap intervals over the seeds (expanded percentile intervals${coverageText(length)}). p-values are from Student's
paired t-test with Holm's correction for all comparisons on this page: if there are no true differences, the
probability of any false positive is at most 5%. “None found” does not mean that there is no difference; more seeds detect smaller ones.</p>`
}</section>`;
}
