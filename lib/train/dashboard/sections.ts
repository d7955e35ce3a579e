import { relative } from 'node:path';
import { clock } from '../progress.ts';
import { evaluationsOf, healthRowsOf, type StepRow, stepsOf } from '../record.ts';
import {
  gradientChart,
  learntChart,
  lossChart,
  recallChart,
  throughputChart,
  waitChart,
} from '../report/curves.ts';
import { diskFigure } from '../report/disk.ts';
import { galleryFigure } from '../report/gallery.ts';
import { radiusFigure } from '../report/health.ts';
import { type Html, html, type Part } from '../report/html.ts';
import { percent } from '../report/tables.ts';
import type { LiveRun, Topic } from './state.ts';

const sections: Readonly<Record<Topic, (run: LiveRun) => Html>> = {
  status: statusSection,
  curves: curvesSection,
  health: healthSection,
  pictures: picturesSection,
};

export const topics = Object.keys(sections) as Topic[];

/** The HTML of a part of the live page. One that cannot be drawn says so there: the run goes on without it. */
export function section(topic: Topic, run: LiveRun): Html {
  try {
    return sections[topic](run);
  } catch (error) {
    return html`<p class="note">This part cannot be drawn: ${(error as Error).message}.</p>`;
  }
}

const words: Readonly<Record<LiveRun['status'], string>> = {
  starting: 'Starting',
  training: 'Training',
  finished: 'Finished',
  stopped: 'Stopped',
  failed: 'Failed',
};

function statusSection({ rows, steps, status, folder, notes }: LiveRun): Html {
  const done = stepsOf(rows);
  const last = done.at(-1);
  const figures: [string, string][] = [];
  if (last) {
    figures.push([Number(last.loss.toPrecision(4)).toString(), 'loss']);
    figures.push([percent(last.accuracy), 'accuracy in the batch, %']);
  }
  const evaluation = evaluationsOf(rows).at(-1);
  if (evaluation)
    figures.push([
      percent(evaluation.spaces.hyperbolic.at['1']),
      `Recall@1 after epoch ${evaluation.epoch}, %`,
    ]);
  if (last) {
    const rate = recent(done).toFixed(0);
    figures.push([rate, `${rate === '1' ? 'picture' : 'pictures'} a second`]);
    figures.push([last.waitMs.toFixed(0), 'ms of waiting for pictures']);
  }
  const place = last
    ? `step ${last.step}${steps === null ? '' : ` of ${steps}`}, epoch ${last.epoch}`
    : 'the first step is being prepared';
  const share = last && steps !== null ? last.step / steps : 0;
  return html`${folder === null ? null : html`<p class="note">Run folder: <code>${relative('.', folder)}</code></p>`}
<p class="state"><b class="${status}">${words[status]}</b> ${place}${status === 'training' ? left(done, steps) : null}</p>
<div class="progress" role="progressbar" aria-valuemin="0" aria-valuemax="1" aria-valuenow="${share.toFixed(3)}"><i style="width:${(100 * share).toFixed(1)}%"></i></div>
<ul class="figures">${figures.map(([value, name]) => html`<li><b>${value}</b><span>${name}</span></li>`)}</ul>
${notes.map((note) => html`<p class="note">Note: ${note}.</p>`)}`;
}

/** Over the last steps: a single one says little. */
function recent(steps: readonly StepRow[]): number {
  const few = steps.slice(-20);
  return few.reduce((sum, { imagesPerSecond }) => sum + imagesPerSecond, 0) / few.length;
}

function left(done: readonly StepRow[], steps: number | null): Part {
  const [first, last] = [done.at(-50) ?? done[0], done.at(-1)];
  if (steps === null || !first || !last || last.step === first.step) return null;
  const each = (last.seconds - first.seconds) / (last.step - first.step);
  return `, ${clock(each * (steps - last.step))} left`;
}

function curvesSection({ rows, snapshot }: LiveRun): Html {
  const steps = stepsOf(rows);
  const charts = [
    lossChart(steps),
    recallChart(rows, snapshot?.baselines ?? []),
    throughputChart(steps),
    waitChart(steps),
    learntChart(steps),
  ].filter((chart) => chart !== null);
  return html`<h2>Training</h2>${charts.length === 0 ? html`<p>The curves begin with the second step.</p>` : html`<div class="charts">${charts}</div>`}`;
}

function healthSection({ rows }: LiveRun): Html {
  const last = healthRowsOf(rows).at(-1);
  const body =
    last === undefined
      ? html`<p>The first epoch is not over yet.</p>`
      : html`<div class="charts">${radiusFigure(last)}${gradientChart(stepsOf(rows))}</div>`;
  return html`<h2>Numerical health</h2>${body}`;
}

function picturesSection({ snapshot }: LiveRun): Html {
  if (snapshot === null)
    return html`<h2>The Poincaré disk</h2><p>Drawn after each evaluation (option eval_ep).</p>`;
  return html`<h2>The Poincaré disk</h2><p>Pictures of classes that training never sees, after epoch ${snapshot.epoch}.</p>${diskFigure(snapshot)}
<h2 class="second">Nearest neighbours</h2><p>Some of them, each with the nearest others by hyperbolic distance. Green: the same class; red: another.</p>${galleryFigure(snapshot)}`;
}
