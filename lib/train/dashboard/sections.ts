import { relative } from 'node:path';
import { trainedSpace } from '../options/define.ts';
import {
  gradientChart,
  learnableChart,
  lossChart,
  recallChart,
  throughputChart,
  waitChart,
} from '../report/charts/curves.ts';
import { diskFigure } from '../report/charts/disk.ts';
import { galleryFigure } from '../report/charts/gallery.ts';
import { type Html, html, type Part } from '../report/html.ts';
import { radiusFigure } from '../report/run/health.ts';
import { zoomHint } from '../report/run/page.ts';
import { fixed, percent } from '../report/tables.ts';
import { clock } from '../run/progress.ts';
import { evaluationsOf, healthRowsOf, type StepRow, stepsOf } from '../run/record.ts';
import type { LiveRun, Topic } from './state.ts';

const sections: Readonly<Record<Topic, (run: LiveRun) => Html>> = {
  status: statusSection,
  curves: curvesSection,
  health: healthSection,
  images: imagesSection,
};

export const topics = Object.keys(sections) as Topic[];

/** Renders a part of the live page. An error is shown in that part, so that the run continues. */
export function section(topic: Topic, run: LiveRun): Html {
  try {
    return sections[topic](run);
  } catch (error) {
    return html`<p class="note">This part cannot be rendered: ${(error as Error).message}.</p>`;
  }
}

const words: Readonly<Record<LiveRun['status'], string>> = {
  starting: 'Starting',
  training: 'Training',
  finished: 'Finished',
  stopped: 'Stopped',
  failed: 'Failed',
};

function statusSection({ config, rows, steps, status, folder, notes }: LiveRun): Html {
  const done = stepsOf(rows);
  const last = done.at(-1);
  const figures: [string, string][] = [];
  if (last) {
    figures.push([Number.isNaN(last.loss) ? '–' : String(Number(last.loss.toPrecision(4))), 'loss']);
    if (config.loss === 'views') figures.push([percent(last.accuracy), 'batch accuracy, %']);
  }
  const evaluation = evaluationsOf(rows).at(-1);
  if (evaluation)
    figures.push([
      percent(evaluation.spaces[trainedSpace(config.geometry)].at['1']),
      `Recall@1 after epoch ${evaluation.epoch}, %`,
    ]);
  if (last) {
    const rate = fixed(recent(done), 0);
    figures.push([rate, `images/s`]);
    figures.push([fixed(last.waitMs, 0), 'ms data-loading wait']);
  }
  const place = last
    ? `step ${last.step}${steps === null ? '' : ` of ${steps}`}, epoch ${last.epoch}`
    : 'before the first step';
  const share = last && steps ? Math.min(1, last.step / steps) : 0;
  return html`${folder === null ? null : html`<p class="note">Run folder: <code>${relative('.', folder)}</code></p>`}
<p class="state"><b class="${status}">${words[status]}</b> ${place}${status === 'training' ? left(done, steps) : null}</p>
<div class="progress" role="progressbar" aria-valuemin="0" aria-valuemax="1" aria-valuenow="${share.toFixed(3)}"><i style="width:${(100 * share).toFixed(1)}%"></i></div>
<ul class="figures">${figures.map(([value, name]) => html`<li><b>${value}</b><span>${name}</span></li>`)}</ul>
${notes.map((note) => html`<p class="note">Note: ${note}.</p>`)}`;
}

/** Returns the mean throughput of the last 20 steps in images/s; single steps vary too much to be shown. */
function recent(steps: readonly StepRow[]): number {
  const few = steps.slice(-20).filter(({ imagesPerSecond }) => Number.isFinite(imagesPerSecond));
  return few.reduce((sum, { imagesPerSecond }) => sum + imagesPerSecond, 0) / few.length;
}

function left(done: readonly StepRow[], steps: number | null): Part {
  const [first, last] = [done.at(-50) ?? done[0], done.at(-1)];
  if (steps === null || !first || !last || last.step === first.step) return null;
  const each = (last.seconds - first.seconds) / (last.step - first.step);
  return Number.isFinite(each) ? `, ETA ${clock(each * (steps - last.step))}` : null;
}

function curvesSection({ rows, snapshot }: LiveRun): Html {
  const steps = stepsOf(rows);
  const charts = [
    lossChart(steps),
    recallChart(rows, snapshot?.baselines ?? []),
    throughputChart(steps),
    waitChart(steps),
    learnableChart(steps),
  ].filter((chart) => chart !== null);
  return html`<h2>Training</h2>${charts.length === 0 ? html`<p>Curves appear after the second step.</p>` : html`${zoomHint}<div class="charts">${charts}</div>`}`;
}

function healthSection({ rows }: LiveRun): Html {
  const last = healthRowsOf(rows).at(-1);
  const body =
    last === undefined
      ? html`<p>The first epoch has not finished yet.</p>`
      : html`<div class="charts">${radiusFigure(last)}${gradientChart(stepsOf(rows))}</div>`;
  return html`<h2>Numerical health</h2>${body}`;
}

function imagesSection({ snapshot }: LiveRun): Html {
  if (snapshot === null)
    return html`<h2>The Poincaré disk</h2><p>Appears after the first evaluation (option eval_ep).</p>`;
  return html`<h2>The Poincaré disk</h2><p>Images of the test classes, after epoch ${snapshot.epoch}.</p>${diskFigure(snapshot)}
<h2 class="second">Nearest neighbors</h2><p>Sample test images, each with its nearest neighbors by hyperbolic distance. Green: same class; red: different class.</p>${galleryFigure(snapshot)}`;
}
