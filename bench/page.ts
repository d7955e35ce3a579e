import { type BarItem, barChart, markup, scalingPlot } from './chart.ts';
import type { Bar, Results, Row } from './results.ts';
import { number, what } from './table.ts';

const style = `
:root { color-scheme: light dark; --text: #1d2330; --soft: #5b6475; --line: #dfe3ea; --back: #fff; --card: #f6f7f9;
  --own: #2f6fde; --peer: #a9b2c0; --pass: #17784a; --fail: #c0352b; }
@media (prefers-color-scheme: dark) { :root { --text: #e7eaf0; --soft: #9aa4b5; --line: #333b49; --back: #14181f;
  --card: #1c222c; --own: #6ea0ff; --peer: #5d687a; --pass: #4cc38a; --fail: #ff7b70; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1rem 4rem; max-width: 880px; background: var(--back); color: var(--text);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; } h2 { font-size: 1.1rem; margin: 2.5rem 0 .5rem; }
p, .about { color: var(--soft); margin: .25rem 0 1rem; }
svg { width: 100%; height: auto; display: block; font: 12px system-ui, sans-serif; }
.bars { font-size: 13px; }
.bar { display: grid; grid-template-columns: minmax(0, 15rem) minmax(0, 1fr) minmax(0, 12rem); column-gap: .75rem; align-items: center;
  min-height: 1.7rem; }
.bar .label { text-align: right; line-height: 1.2; } .bar .value { white-space: nowrap; } small { color: var(--soft); }
.track { position: relative; height: 1.7rem; }
.track i { position: absolute; top: 0; bottom: 0; border-left: 1px solid var(--line); }
.track u { position: absolute; top: .5rem; width: .7rem; height: .7rem; margin-left: -.35rem; border-radius: 50%; }
.track u.own { background: var(--own); } .track u.peer { background: var(--peer); }
.track b { position: absolute; top: calc(.85rem - 1px); border-top: 2px solid var(--text); opacity: .55; }
.axis, .axis .label { color: var(--soft); font-size: 11px; }
.axis .track span { position: absolute; top: .3rem; transform: translateX(-50%); }
.axis .track span.first { transform: none; } .axis .track span.last { transform: translateX(-100%); }
@media (max-width: 640px) {
  .bar { grid-template-columns: minmax(0, 1fr) 8.5rem; padding-top: .35rem; }
  .bar .label { grid-column: 1 / -1; text-align: left; } .bar .value { white-space: normal; line-height: 1.15; }
  .verdicts td:last-child { white-space: normal; overflow-wrap: anywhere; } .verdicts td { padding: .3rem .35rem; }
}
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(300px, 1fr)); gap: 1rem; }
.grid { stroke: var(--line); fill: none; } .tick { fill: var(--soft); font-size: 11px; }
svg .label { fill: var(--text); } svg .own { fill: var(--own); }
.curve { stroke: var(--own); stroke-width: 2; fill: none; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: 13px; }
th, td { text-align: left; padding: .3rem .6rem; border-bottom: 1px solid var(--line); white-space: nowrap; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
.pass { color: var(--pass); font-weight: 600; } .fail { color: var(--fail); font-weight: 600; } .open, .within-noise { color: var(--soft); }
details { background: var(--card); border-radius: 8px; padding: .6rem .9rem; margin-top: .75rem; } summary { cursor: pointer; }
`;

/** Returns the results as one self-contained HTML file. */
export function page({ about, rows }: Results): string {
  const suites = new Map<string, Row[]>();
  for (const row of rows) suites.set(row.suite, [...(suites.get(row.suite) ?? []), row]);
  const facts = Object.entries(about).map(([key, value]) => `${markup(key)}: ${markup(value)}`);
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>horoball: benchmarks</title><style>${style}</style></head><body>
<h1>horoball: benchmarks</h1>
<div class="about">${facts.join(' · ')}</div>
<p>horoball and the other libraries took turns in one run, on the same inputs and with the same number of threads. Times are
medians over rounds. In 99 of 100 further runs, the median would be within the whiskers. horoball is blue.</p>
${bars(rows)}
${[...suites].map(([name, group]) => section(name, group)).join('\n')}
</body></html>
`;
}

function bars(rows: readonly Row[]): string {
  const barred = rows.filter(({ bar }) => bar !== '');
  if (barred.length === 0) return '';
  const lines = barred.map((row) => {
    const found = number(row[row.bar.split(' ')[0] as Bar['of']]);
    const spread = row.bar.startsWith('ratio') ? percent(row.ratioSpread) : '';
    const subject = `${markup(`${row.op}, ${row.shape}`)}<br><small>${markup(`${row.side} ${what(row)}`)}</small>`;
    return `<tr><td class="${row.verdict.replace(' ', '-')}">${row.verdict}</td><td class="n">${found}${spread}</td>${cell(row.bar)}<td>${subject}</td></tr>`;
  });
  const count = (verdict: Row['verdict']) => barred.filter((row) => row.verdict === verdict).length;
  const head = '<tr><th></th><th class="n">measured</th><th>target</th><th>row</th></tr>';
  return `<h2>Targets</h2><p>${count('pass')} pass, ${count('within noise')} within noise, ${count('fail')} fail, ${count('open')} open (a side was not
measured). A ratio passes if it meets its target even at the worse end of its spread, and fails if it misses it even at the better end.</p>
<div class="scroll"><table class="verdicts">${head}${lines.join('')}</table></div>`;
}

function percent(value: number): string {
  return value > 0 ? ` ±${(100 * value).toFixed(0)} %` : '';
}

/** A chart with more times than this is collapsed. */
const mostBars = 50;

function section(name: string, rows: readonly Row[]): string {
  const { n, m, dim, views } = rows[0]!;
  const size = name === 'scaling' ? '' : `${n} x ${m} x ${dim}${views > 0 ? `, ${views} views` : ''}`;
  const missing = rows.filter(({ status }) => status !== 'measured');
  const reasons = missing.map(({ side, status }) => `<li>${markup(`${side}: ${status}`)}</li>`).join('');
  return `<section><h2>${markup(name)}</h2><p>${size}</p>${chart(name, rows)}${reasons && `<ul class="about">${reasons}</ul>`}
<details><summary>Figures</summary><div class="scroll">${figures(rows)}</div></details></section>`;
}

function chart(name: string, rows: readonly Row[]): string {
  if (name === 'scaling') return plots(rows);
  const all = items(rows);
  if (all.length === 0) return '';
  return all.length > mostBars
    ? `<details><summary>${all.length} times</summary>${barChart(all)}</details>`
    : barChart(all);
}

function items(rows: readonly Row[]): BarItem[] {
  const timed = rows.filter(({ ms }) => ms > 0);
  const ours = timed.filter(({ side }) => side === 'horoball');
  const several = (key: 'op' | 'pass' | 'type') => new Set(ours.map((row) => row[key])).size > 1;
  const [ops, passes, types] = [several('op'), several('pass'), several('type')];
  return timed.map((row) => {
    const own = row.side === 'horoball';
    const parts = own ? [ops ? row.op : '', what(row)] : [row.side];
    parts.push(passes ? row.pass : '', own && types ? row.type : '');
    return {
      label: parts.filter(Boolean).join(', '),
      detail: row.ratio > 0 ? `${number(row.ratio)} × ${row.against}` : '',
      value: row.ms,
      spread: row.spread,
      own,
    };
  });
}

/** Plots each workload's time, and its memory if that is above 0 at every size. */
function plots(rows: readonly Row[]): string {
  const workloads = new Map<string, Row[]>();
  const fewest = Math.min(...rows.map(({ threads }) => threads)); // rows with more threads measure memory only
  for (const row of rows.filter(({ ms, threads }) => ms > 0 && threads === fewest)) {
    const over = /scaling, (.) =/.exec(row.shape)?.[1] ?? 'N';
    const key = `${row.op}, ${over}`;
    workloads.set(key, [...(workloads.get(key) ?? []), row]);
  }
  const curves = [...workloads].flatMap(([key, points]) => {
    const over = key.at(-1)!;
    const { op } = points[0]!;
    const xs = points.map(({ n, m, dim }) => (over === 'D' ? dim : Math.max(n, m)));
    const time = scalingPlot({ label: `${op}: time`, over, xs, ys: points.map(({ ms }) => ms) }, 'ms');
    const ys = points.map(({ peakMB }) => peakMB);
    if (!ys.every((value) => value > 0)) return [time];
    return [time, scalingPlot({ label: `${op}: memory beyond inputs and results`, over, xs, ys }, 'MB')];
  });
  return `<div class="plots">${curves.join('')}</div>`;
}

function figures(rows: readonly Row[]): string {
  const head = ['op', 'side', 'what', 'pass', 'type'].map((text) => `<th>${text}</th>`).join('');
  const numbers = ['ms', '±%', 'GFLOP/s', 'of sgemm', 'MB', 'ratio', 'value'];
  const lines = rows.map((row) => {
    const texts = [row.op, row.side, what(row), row.pass, row.type].map(cell).join('');
    const values = [row.ms, 100 * row.spread, row.gflops, row.share, row.peakMB, row.ratio, row.value];
    return `<tr>${texts}${values.map((value) => `<td class="n">${number(value)}</td>`).join('')}</tr>`;
  });
  return `<table><tr>${head}${numbers.map((text) => `<th class="n">${text}</th>`).join('')}</tr>${lines.join('')}</table>`;
}

function cell(text: string): string {
  return `<td>${markup(text)}</td>`;
}
