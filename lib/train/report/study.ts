import {
  type Analysis,
  type ArmSummary,
  analyse,
  type CellSummary,
  type Contrast,
  optionOf,
  profile,
  temperatureOf,
} from '../sweep/analyse.ts';
import { type Cell, hardNegatives, matchedAt, slopeMatched, temperatures } from '../sweep/plan.ts';
import { runName, type Study } from '../sweep/results.ts';
import { lineChart, type Series } from './chart.ts';
import { coloursOf } from './colour.ts';
import { counted } from './extent.ts';
import { forestPlot } from './forest.ts';
import { heatMap } from './heat.ts';
import { type Html, html, type Part } from './html.ts';
import { duration, page } from './page.ts';
import { interval, points, verdictText } from './study-words.ts';
import { percent } from './tables.ts';

/** A study, finished or not, as one self-contained page; it links to the reports of its runs, which lie beside it. */
export function studyPage(study: Study): string {
  const analysis = analyse(study);
  const nothing = analysis.arms.every(({ best }) => best === null);
  return page(
    `${study.name} · horoball`,
    html`<header><p class="brand">horoball study</p><h1>${study.name}</h1>
<p class="lede">${lede(study)}</p>
<p class="verdict">${verdictText(analysis)}</p></header>
${nothing ? null : html`${temperatureSection(analysis)}${bestSection(analysis)}${contrastSection(analysis)}${controlSection(analysis)}${heatSection(analysis)}${ablationSection(study, analysis)}`}
${cellsSection(study, analysis)}
${methodSection(study)}`,
  );
}

function lede({ plan, results }: Study): string {
  const total = plan.cells.length * plan.seeds.length;
  const { ds, model, ep, bs } = plan.cells[0]!.config;
  const took = results.reduce((sum, { seconds }) => sum + seconds, 0);
  const arms = new Set(plan.cells.map(({ arm }) => arm)).size;
  const made = results.length === total ? `${total} runs` : `${results.length} of ${total} runs so far`;
  return `${arms} ways to compare pictures, ${plan.cells.length} settings, ${counted(plan.seeds.length, 'paired seed')}: ${made} of ${model} on ${ds}, ${ep} epochs in batches of ${bs}${took > 0 ? `, ${duration(took)} in all` : ''}.`;
}

const armColour = (arms: readonly ArmSummary[], arm: string): string =>
  coloursOf(arms.map((each) => each.arm))[arms.findIndex((each) => each.arm === arm)]!;

function temperatureSection({ arms, contrasts }: Analysis): Html {
  const chart = lineChart({
    title: 'Recall@1 on unseen classes',
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
    sure: verdict === 'difference',
  }));
  return html`<section><h2>Recall against temperature</h2>
<p>Each point is a mean over the seeds with its 95 % interval; where other options vary too, it is the best of them.
The same temperature means different things to different geometries: compare the tops of the curves, not the points above
one another.</p><div class="charts">${chart}${rows.length === 0 ? null : forestPlot('Differences at own best temperatures', rows)}</div></section>`;
}

function curve(
  arm: ArmSummary,
  arms: readonly ArmSummary[],
  place: (cell: Cell) => number | string,
): Series[] {
  const found = profile(arm, place).filter(
    (entry): entry is [number, CellSummary] => typeof entry[0] === 'number',
  );
  if (found.length === 0) return [];
  return [
    {
      name: arm.arm,
      colour: armColour(arms, arm.arm),
      x: found.map(([value]) => value),
      y: found.map(([, { estimate }]) => estimate.mean),
      low: found.map(([, { estimate }]) => estimate.low),
      high: found.map(([, { estimate }]) => estimate.high),
    },
  ];
}

function bestSection({ arms }: Analysis): Html {
  const top = Math.max(...arms.map(({ best }) => best?.estimate.mean ?? 0), 1e-9);
  return html`<section><h2>Each at its own best</h2>
<p>The setting with the highest mean of each, the first of those that tie, and its Recall@1 in percent.</p>
<div class="scroll"><table><thead><tr><th scope="col">Geometry</th><th scope="col">at</th><th scope="col">mean</th><th scope="col">deviation</th><th scope="col">95 % interval</th><th scope="col">seeds</th></tr></thead><tbody>${arms.map(
    ({ arm, best }) =>
      best === null
        ? null
        : html`<tr><th scope="row">${arm}</th><td>${best.cell.label}</td><td class="bar" style="--share:${(best.estimate.mean / top).toFixed(3)}">${percent(best.estimate.mean)}</td><td>${percent(best.estimate.deviation)}</td><td>${interval(best.estimate)}</td><td>${best.estimate.count}</td></tr>`,
  )}</tbody></table></div></section>`;
}

function contrastSection({ contrasts }: Analysis): Part {
  if (contrasts.length === 0) return null;
  return html`<section><h2>Which differences are real</h2>
<p>Differences in percentage points, seed by seed, each side at the setting that was best on the <em>other</em> seeds (judged by
the seeds that chose it, a setting looks better than it is). A difference is claimed where p, corrected for the number of
comparisons, is below 0.05.</p>
<div class="scroll"><table><thead><tr><th scope="col">Comparison</th><th scope="col">difference</th><th scope="col">95 % interval</th><th scope="col">p</th><th scope="col" class="words">verdict</th></tr></thead><tbody>${contrasts.map(
    (each) =>
      html`<tr class="${each.verdict === 'difference' ? 'found' : ''}"><th scope="row">${each.more} over ${each.less}</th><td>${points(each.estimate.mean)}</td><td>${interval(each.estimate)}</td><td>${pText(each)}</td><td class="words">${each.verdict}</td></tr>`,
  )}</tbody></table></div></section>`;
}

function pText({ p }: Contrast): string {
  if (Number.isNaN(p)) return '–';
  return p < 0.001 ? '< 0.001' : p.toFixed(3);
}

function controlSection({ survival }: Analysis): Part {
  if (survival.length === 0) return null;
  const meaning: Record<string, string> = {
    chordal:
      'the straight chord in place of the hyperbolic distance: what is left comes from the curvature itself',
    [hardNegatives]:
      'a Euclidean run whose loss weighs negatives by their hardness outright (strength beta, Robinson et al. 2021): what is left is more than a preference for hard negatives',
    [slopeMatched]: `a Euclidean run whose logit falls as steeply at a cosine of ${matchedAt}: what is left comes from the shape of the distance, not from its temperature`,
  };
  return html`<section><h2>Curvature or temperature?</h2><p>How much of hyperbolic's advantage over euclidean survives each control.</p>
<ul>${survival.map(({ control, effect, left }) => {
    const share =
      effect.verdict === 'difference' && effect.estimate.mean > 0
        ? ` (${Math.round((100 * left.estimate.mean) / effect.estimate.mean)} % of it)`
        : '';
    return html`<li><b>${control}</b>, ${meaning[control] ?? ''}. Of ${points(effect.estimate.mean)} points ${points(left.estimate.mean)} are left${share}, 95 % interval ${interval(left.estimate)}; ${left.verdict === 'difference' ? 'that rest is a real difference' : 'the study cannot tell that rest from nothing'}.</li>`;
  })}</ul></section>`;
}

function heatSection({ arms: all }: Analysis): Part {
  const arms = all.filter(({ arm }) => arm !== slopeMatched); // its temperatures are nobody else's
  const at = (cell: Cell): number => temperatureOf(cell);
  const columns = [...new Set(arms.flatMap(({ cells }) => cells.map(({ cell }) => at(cell))))].sort(
    (a, b) => a - b,
  );
  const row = (arm: ArmSummary): (number | null)[] => {
    const found = new Map(profile(arm, at).map(([value, summary]) => [value, summary.estimate.mean]));
    return columns.map((column) => found.get(column) ?? null);
  };
  const overall = heatMap(
    'By geometry',
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

/** One option against another within a geometry, where both vary. */
function square(arm: ArmSummary, down: 't_e' | 'hyp_c' | 'lam', across: 't_h'): Html | null {
  const values = (key: 't_e' | 'hyp_c' | 'lam' | 't_h'): number[] =>
    [...new Set(arm.cells.map(({ cell }) => cell.config[key]))].sort((a, b) => a - b);
  const [rows, columns] = [values(down), values(across)];
  const used: readonly string[] = temperatures(arm.cells[0]!.cell.config);
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
  const names = plan.varied.filter((name) => !/^t(_.)?$/.test(name));
  if (names.length === 0) return null;
  return html`<section><h2>Other options</h2><p>At each value the best of all other settings.</p><div class="charts">${names.map(
    (name) => {
      const numeric = arms.every((arm) =>
        arm.cells.every(({ cell }) => typeof optionOf(cell, name) === 'number'),
      );
      const vary = arms.filter(
        ({ cells }) => new Set(cells.map(({ cell }) => optionOf(cell, name))).size > 1,
      );
      const place = (cell: Cell): number | string => optionOf(cell, name);
      if (!numeric) return optionTable(name, vary);
      const values = vary.flatMap(({ cells }) => cells.map(({ cell }) => Number(optionOf(cell, name))));
      return lineChart({
        title: `Recall@1 by ${name}`,
        xLabel: name,
        series: vary.flatMap((arm) => curve(arm, arms, place)),
        percent: true,
        logX: values.every((value) => value > 0),
      });
    },
  )}</div></section>`;
}

function optionTable(name: CellOption, arms: readonly ArmSummary[]): Html {
  return html`<div class="scroll"><table><thead><tr><th scope="col">${name}</th><th scope="col">Geometry</th><th scope="col">Recall@1</th><th scope="col">95 % interval</th></tr></thead><tbody>${arms.flatMap(
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
  return html`<section><h2>All runs</h2><p>Recall@1 in percent; each figure leads to the report of its run.${
    results.some(({ spaces }) => spaces === null)
      ? ' A setting of which a run failed (its loss was no longer a number) is no candidate for the best.'
      : null
  }</p>
<div class="scroll"><table><thead><tr><th scope="col">Setting</th>${plan.seeds.map((seed) => html`<th scope="col">seed ${seed}</th>`)}<th scope="col">mean</th><th scope="col">deviation</th></tr></thead><tbody>${arms.flatMap(
    ({ arm, cells }) =>
      cells.map(
        (summary) =>
          html`<tr><th scope="row">${arm} ${summary.cell.label}</th>${plan.seeds.map((seed) => link(summary, seed))}<td>${percent(summary.estimate.mean)}</td><td>${percent(summary.estimate.deviation)}</td></tr>`,
      ),
  )}</tbody></table></div></section>`;
}

/** How far to trust an interval of so many seeds: the coverage for five is measured (statistics.test.ts). */
function coverageWords(seeds: number): string {
  if (seeds === 1) return '';
  if (seeds < 5) return '; of fewer than five seeds an interval is a rough one';
  return seeds === 5 ? ': with five seeds it holds the truth 92 times of 100' : '';
}

function methodSection({ plan }: Study): Html {
  const { length } = plan.seeds;
  return html`<section><h2>How to read this</h2>
<p>Every setting was run with the same ${length === 1 ? 'seed' : `${length} seeds`}. A seed fixes the first weights, the order of the pictures and their
crops, so two settings with one seed differ by the setting alone, and differences are taken seed by seed.</p>
<p>Intervals are bootstrap intervals over the seeds (the expanded percentile${coverageWords(length)}). p is that of Student's
paired test, after Holm's correction for all comparisons of the page: in a study where nothing differs, the
chance of any claim is at most 5 %. “None found” does not mean that there is none; more seeds find smaller differences.</p></section>`;
}
