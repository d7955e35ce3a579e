import type { Space } from '../../measure/types.ts';
import { optionsWhere } from '../../options/options.ts';
import { evaluationsOf, type RunRecord, type StepRow, stepsOf } from '../../run/record.ts';
import { fileNotes } from '../../run/warnings.ts';
import { binned, lineChart, type Series, smoothed, smoothingWindow } from '../charts/chart.ts';
import { colorsOf } from '../charts/color.ts';
import { diskFigure } from '../charts/disk.ts';
import { type Html, html, type Part } from '../html.ts';
import { type RecallLine, recallTable, spaceNames } from '../tables.ts';
import { negativesUse, profileTable } from './negatives.ts';
import { neighborsSection } from './neighbors.ts';
import { page, zoomHint } from './page.ts';

/** Maximum number of runs that are drawn: more are indistinguishable in charts, and thousands would exhaust memory. */
export const maxDrawn = 48;

/** Returns the part of a run that a comparison needs if it does not draw the run. */
export function withoutDrawings(record: RunRecord): RunRecord {
  return { ...record, rows: evaluationsOf(record.rows), snapshot: null };
}

/** Maximum number of points of a line in the chart of the loss. */
const lossBins = 120;

/** Returns the part of a run that {@link comparisonPage} draws: hundreds of thousands of steps take 300 bytes each. */
export function forComparison(record: RunRecord): RunRecord {
  return { ...forTrainingCharts(record), snapshot: record.snapshot };
}

/** Returns the part of a run that {@link trainingCharts} needs, with averages in place of the steps. */
export function forTrainingCharts(record: RunRecord): RunRecord {
  const steps = stepsOf(record.rows);
  const { x, y } = lossPoints(steps);
  const averages = x.map((step, i): StepRow => ({ ...steps[0]!, step, loss: y[i]! }));
  return { ...record, rows: [...evaluationsOf(record.rows), ...averages], snapshot: null };
}

/** Renders several runs side by side as a self-contained page; the first {@link maxDrawn} are drawn. */
export function comparisonPage(records: readonly RunRecord[]): string {
  const drawn = records.slice(0, maxDrawn);
  return page(
    `${records.length} runs · horoball`,
    html`<header><p class="brand">horoball</p><h1>${records.length} runs side by side</h1>
<p class="lede">${records.map((record) => record.name).join(', ')}</p>${
      records.length > maxDrawn
        ? html`<p class="note">Curves, disks, neighbors and negatives are shown for the first ${maxDrawn} runs only.</p>`
        : null
    }${notesOf(records)}</header>
${recallSection(records)}
<section><h2>Training</h2>${trainingCharts(drawn)}</section>
${disks(drawn)}
${neighborsSection(drawn)}
${negativesComparison(drawn)}
<section><h2>Settings that differ</h2>${differences(records)}</section>`,
  );
}

/** Returns the notes about damaged or changed files of several runs. */
export function notesOf(records: readonly RunRecord[]): Html[] {
  return records.flatMap((record) =>
    fileNotes(record).map((note) => html`<p class="note">${record.name}: ${note}</p>`),
  );
}

/** Draws Recall@1 and the loss of several runs. */
export function trainingCharts(records: readonly RunRecord[]): Html {
  const charts = [recallChart(records), lossChart(records)].filter((chart) => chart !== null);
  return html`${geometryNote(records)}${zoomHint}<div class="charts">${charts}</div>`;
}

/** Returns a table of final recall, grouped by space, so that runs are compared in the same space. */
function recallSection(records: readonly RunRecord[]): Html {
  const lines = (Object.keys(spaceNames) as Space[]).flatMap((space) =>
    records.flatMap((record) => {
      const recall = evaluationsOf(record.rows).at(-1)?.spaces[space];
      const name = `${spaceNames[space]}: ${record.name}`;
      return recall ? [{ name, recall, lead: space === 'hyperbolic' }] : [];
    }),
  );
  const without = records.filter(({ rows }) => evaluationsOf(rows).length === 0);
  const missing = without.map(
    ({ name }): RecallLine => ({ name: `Not evaluated: ${name}`, recall: { at: {}, strict: [] } }),
  );
  return html`<section><h2>Recall on the test classes</h2>${
    lines.length > 0 ? recallTable([...lines, ...missing]) : html`<p>None of the runs was evaluated.</p>`
  }</section>`;
}

function geometryNote(records: readonly RunRecord[]): Part {
  const kinds = new Set(records.map((record) => record.config.geometry));
  if (kinds.size < 2) return null;
  return html`<p>Losses of different geometries have different scales: compare the shapes of the curves, not their values.
Comparing geometries at equal temperatures is not fair either, because each geometry has its own best temperature.</p>`;
}

function recallChart(records: readonly RunRecord[]): Html | null {
  const colors = colorsOf(records.map(({ config }) => config.geometry));
  const series = records.flatMap((record, i) => {
    const evaluations = evaluationsOf(record.rows);
    if (evaluations.length === 0) return [];
    const y = evaluations.map((row) => row.spaces.hyperbolic.at['1'] ?? Number.NaN);
    return [{ name: record.name, color: colors[i]!, x: evaluations.map((row) => row.epoch), y }];
  });
  if (series.every(({ x }) => x.length < 2)) return null; // the table shows single points
  return lineChart({ title: 'Recall@1, head', xLabel: 'epoch', series, percent: true, yMin: 0 });
}

function lossChart(records: readonly RunRecord[]): Html | null {
  const colors = colorsOf(records.map(({ config }) => config.geometry));
  const found = records.flatMap((record, i) => {
    const steps = stepsOf(record.rows);
    return steps.length === 0 ? [] : [lossLine(record.name, colors[i]!, steps)];
  });
  if (found.length === 0) return null;
  const smooth = found.filter(({ window }) => window > 1).length;
  const how = smooth === 0 ? '' : smooth === found.length ? ', smoothed' : ', long runs smoothed';
  return lineChart({ title: `Loss${how}`, xLabel: 'step', series: found.map(({ series }) => series) });
}

/** Returns the line of the loss, smoothed as in the report of a single run. */
function lossLine(
  name: string,
  color: string,
  steps: readonly StepRow[],
): { series: Series; window: number } {
  const { x, y } = lossPoints(steps);
  const window = smoothingWindow(y.length);
  return { series: { name, color, x, y: smoothed(y, window) }, window };
}

function lossPoints(steps: readonly StepRow[]): { x: number[]; y: number[] } {
  return binned(
    steps.map((row) => row.step),
    steps.map((row) => row.loss),
    lossBins,
  );
}

function disks(records: readonly RunRecord[]): Part {
  const withSnapshot = records.filter((record) => record.snapshot !== null);
  if (withSnapshot.length === 0) return null;
  return html`<section><h2>The Poincaré disk</h2><div class="disks">${withSnapshot.map((record) =>
    diskFigure(record.snapshot!, record.name),
  )}</div></section>`;
}

/** Returns a table of how the geometry of each run weights the negatives in a batch of that run's test embeddings. */
function negativesComparison(records: readonly RunRecord[]): Part {
  const rows = records.flatMap(({ name, snapshot }) => {
    const trained = snapshot?.negatives?.profiles.find(
      ({ geometry }) => geometry === snapshot.negatives!.own,
    );
    return trained ? [{ name, profile: trained }] : [];
  });
  if (rows.length === 0) return null;
  return html`<section><h2>Weight of the negatives</h2><p>${negativesUse}</p><p>The table shows how the loss 'views', with the geometry
and temperatures of each run, distributes its weight over the negatives in a batch of test images. The report of each run has
more details.</p>${profileTable(rows)}</section>`;
}

function differences(records: readonly RunRecord[]): Html {
  const relevant = optionsWhere(({ affectsResult }) => affectsResult ?? true);
  const differing = relevant.filter(
    (name) => new Set(records.map((record) => JSON.stringify(record.config[name]))).size > 1,
  );
  if (differing.length === 0) return html`<p>None.</p>`;
  return html`<div class="scroll"><table><thead><tr><th></th>${records.map(
    (record) => html`<th scope="col">${record.name}</th>`,
  )}</tr></thead><tbody>${differing.map(
    (key) =>
      html`<tr><th scope="row">${key}</th>${records.map((record) => html`<td>${String(record.config[key] ?? 'none')}</td>`)}</tr>`,
  )}</tbody></table></div>`;
}
