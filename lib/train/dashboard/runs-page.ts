import { largest } from '../../integers.ts';
import { trainedSpace } from '../options/define.ts';
import { type Html, html, type Part } from '../report/html.ts';
import { notesOf, trainingCharts } from '../report/run/compare.ts';
import { counted } from '../report/run/extent.ts';
import { page } from '../report/run/page.ts';
import { fixed, orZero, percent } from '../report/tables.ts';
import { evaluationsOf, type RunRecord, type StepRow } from '../run/record.ts';
import type { ListedRun, ShownRun } from './runs-folder.ts';

/** Maximum number of rows in the table; the filter finds other runs. */
const maxRows = 100;
/** Number of runs in the charts if no run is selected, and maximum number of selected runs. */
const defaultLines = 6;
const maxLines = 12;

/** The requested runs, from the query string of the page's URL. */
export interface Selection {
  /** Text that paths must contain. */
  readonly match: string;
  /** Paths of the runs in the charts; empty: the most recently changed runs. */
  readonly paths: readonly string[];
}

export function selectionOf(query: URLSearchParams): Selection {
  return { match: query.get('match') ?? '', paths: query.getAll('run').slice(0, maxLines) };
}

/** Returns the runs in the table and in the charts, and the number of matching runs. */
export function chosen(
  runs: readonly ListedRun[],
  { match, paths }: Selection,
): { rows: readonly ListedRun[]; lines: readonly ListedRun[]; total: number } {
  const matching = runs.filter(({ path }) => path.includes(match));
  const selected = runs.filter(({ path }) => paths.includes(path));
  return {
    total: matching.length,
    rows: matching.slice(0, maxRows),
    lines: selected.length > 0 ? selected : matching.slice(0, defaultLines),
  };
}

/** Renders the page of a folder of runs; its script replaces the part below the filter when runs change. */
export function runsPage(folder: string, { match }: Selection, part: Html): string {
  return page(
    `${folder} · horoball`,
    html`<header><p class="brand">horoball</p><h1>${folder}</h1>
<form id="selection" class="filter"><label>Runs whose path contains <input name="match" value="${match}" type="search"></label> <button>Show</button></form></header>
<div id="part">${part}</div>`,
    { more: script, footer: 'Served to this machine only; updated while runs train.' },
  );
}

/** Polls the changing part every two seconds. Selecting a run changes the URL, so that selections can be bookmarked. */
export const script: string = `
const part = document.getElementById('part');
let shown = null;
const update = async () => {
  const answer = await fetch('part' + location.search).catch(() => null);
  const text = answer?.ok ? await answer.text() : null;
  if (text !== null && text !== shown && !getSelection().toString()) {
    part.innerHTML = shown = text;
    wire(part);
  }
  document.body.classList.toggle('lost', text === null);
  setTimeout(update, 2000);
};
update();
document.addEventListener('change', (event) => {
  if (event.target.name === 'run') event.target.form.requestSubmit();
});
`;

/**
 * Renders the part that changes: the table and the charts.
 * @param total - number of matching runs
 * @param now - milliseconds since 1970
 */
export function runsPart(
  rows: readonly ShownRun[],
  lines: readonly ShownRun[],
  total: number,
  now: number,
): Html {
  if (total === 0) return html`<section><p>No matching runs yet.</p></section>`;
  const records = recordsOf(lines);
  const paths = new Set(lines.map(({ path }) => path));
  const omitted =
    total > rows.length
      ? `The ${rows.length} most recently changed of ${total} runs.`
      : `${counted(total, 'run')}.`;
  return html`<section><h2>Training</h2>${trainingCharts(records)}</section>
<section><h2>Runs</h2><p class="note">${omitted} Select up to ${maxLines} runs for the charts.</p>${notesOf(recordsOf(rows))}
<div class="scroll"><table><thead><tr><th></th><th scope="col" class="words">Run</th>${headings.map((text) => html`<th scope="col">${text}</th>`)}</tr></thead>
<tbody>${rows.map((run) => tableRow(run, paths.has(run.path), now))}</tbody></table></div></section>`;
}

/** Returns the records of runs that can be read, with their paths as names. */
function recordsOf(runs: readonly ShownRun[]): RunRecord[] {
  return runs.flatMap(({ path, record }) => (record === null ? [] : [{ ...record, name: path }]));
}

const headings = ['Data', 'Model', 'Geometry', 'Step', 'Epoch', 'Loss', 'Recall@1', 'Best', 'Changed'];

function tableRow(run: ShownRun, selected: boolean, now: number): Html {
  const { path, record, trouble } = run;
  const box = html`<td><input type="checkbox" name="run" form="selection" value="${path}" aria-label="Show ${path} in the charts"${selected ? html` checked` : null}></td>`;
  if (record === null)
    return html`<tr>${box}<th scope="row" class="words">${path}</th><td class="words" colspan="${headings.length}">${trouble}</td></tr>`;
  const cells = cellsOf(record, run.lastStep, run.training ? 'training' : ago(now - run.changed));
  return html`<tr>${box}<th scope="row" class="words"><a href="run?path=${encodeURIComponent(path)}">${path}</a></th>${cells}</tr>`;
}

function cellsOf({ config, rows }: RunRecord, step: StepRow | null, changed: string): Part {
  const space = trainedSpace(config.geometry);
  const recalls = evaluationsOf(rows).map((row) => row.spaces[space].at['1']);
  const model = config.model.startsWith('{') ? 'custom' : config.model;
  const cells = [
    config.ds,
    model,
    config.geometry,
    String(step?.step ?? 0),
    String(step?.epoch ?? 0),
    fixed(step?.loss, 3),
    percent(recalls.at(-1)),
    percent(recalls.length === 0 ? undefined : largest(recalls.map(orZero), 0)),
    changed,
  ];
  return cells.map((cell) => html`<td>${cell}</td>`);
}

/** Formats an age in its largest unit. */
function ago(milliseconds: number): string {
  const units: [number, string][] = [
    [86_400_000, 'day'],
    [3_600_000, 'hour'],
    [60_000, 'minute'],
  ];
  const unit = units.find(([length]) => milliseconds >= length);
  return unit === undefined ? 'just now' : `${counted(Math.floor(milliseconds / unit[0]), unit[1])} ago`;
}
