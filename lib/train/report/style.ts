import { schemes } from './run/contrast.ts';

const { light, dark } = schemes;

/** The style sheet of all reports: light and dark, for widths of 360 px or more, with only system fonts. */
export const style: string = `
:root {
  color-scheme: light dark;
  --paper: #fcfbf8; --ink: #1c1e22; --soft: #62666d; --rule: #e3e0d8; --wash: ${light.wash}; --accent: ${light.accent};
  --hit: #2f7d4f; --miss: #b84a33;
  --line-1: #14656e; --line-2: #c27a1f; --line-3: #7b5aa6; --line-4: #b0413e; --line-5: #4d7c3a; --line-6: #55606e;
  --serif: 'Iowan Old Style', 'Palatino Linotype', Palatino, 'Book Antiqua', 'URW Palladio L', Georgia, serif;
  --sans: system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'Noto Sans', sans-serif;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #15171a; --ink: #e9e6df; --soft: #9a9da3; --rule: #2d3035; --wash: ${dark.wash}; --accent: ${dark.accent};
    --hit: #6cc08f; --miss: #e58a72;
    --line-1: #5fb6bd; --line-2: #e0a458; --line-3: #b096d8; --line-4: #e58a72; --line-5: #9cc27f; --line-6: #a3adba;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0 auto; padding: 40px 28px 64px; max-width: 1080px; background: var(--paper); color: var(--ink);
  font: 16px/1.55 var(--sans); font-variant-numeric: tabular-nums; overflow-wrap: anywhere;
}
header { border-bottom: 1px solid var(--rule); padding-bottom: 22px; }
.brand { margin: 0 0 10px; letter-spacing: .09em; color: var(--accent); font-variant-caps: all-small-caps; font-size: 16px; }
h1 { margin: 0; font: 500 38px/1.15 var(--serif); letter-spacing: -.01em; text-wrap: balance; }
h2 { margin: 0 0 6px; font: 500 25px/1.2 var(--serif); }
section { margin-top: 52px; }
p { margin: 0 0 14px; max-width: 68ch; text-wrap: pretty; }
.lede { margin-top: 10px; color: var(--soft); }
section > p { color: var(--soft); }
figure { margin: 0; }
.figures { display: flex; flex-wrap: wrap; gap: 14px 44px; margin: 26px 0 0; padding: 0; list-style: none; }
.figures b { display: block; font: 500 34px/1.1 var(--serif); color: var(--ink); }
.figures li:first-child b { color: var(--accent); }
.figures span { font-size: 13.5px; color: var(--soft); }
/* A shadow shows the sides to which a table can scroll; backgrounds that scroll with the table hide it at either end. */
.scroll {
  overflow-x: auto; margin-top: 16px;
  --shade: color-mix(in srgb, var(--ink) 34%, transparent);
  background:
    linear-gradient(to right, var(--paper) 40%, transparent) left / 44px 100% no-repeat local,
    linear-gradient(to left, var(--paper) 40%, transparent) right / 44px 100% no-repeat local,
    linear-gradient(to right, var(--shade), transparent) left / 18px 100% no-repeat scroll,
    linear-gradient(to left, var(--shade), transparent) right / 18px 100% no-repeat scroll;
}
table { border-collapse: collapse; width: 100%; font-size: 15px; overflow-wrap: normal; }
th, td { padding: 8px 12px; border-bottom: 1px solid var(--rule); text-align: right; white-space: nowrap; }
thead th { font-weight: 500; font-size: 13px; color: var(--soft); vertical-align: bottom; }
tbody th { text-align: left; font-weight: 400; white-space: normal; min-width: 9.5em; }
th:first-child { text-align: left; padding-left: 0; }
tr.lead th, tr.lead .bar { font-weight: 600; }
tr.aside { color: var(--soft); }
td.bar { position: relative; min-width: 84px; }
td.bar::after { content: ''; position: absolute; right: 12px; bottom: -1px; height: 2px; width: calc((100% - 24px) * var(--share)); background: var(--accent); }
tr.aside td.bar::after { background: var(--soft); }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 380px), 1fr)); gap: 28px 36px; margin-top: 18px; }
.chart { max-width: 520px; }
.chart figcaption { font-weight: 600; font-size: 15px; margin-bottom: 4px; }
svg { display: block; width: 100%; height: auto; overflow: visible; }
svg text { font: 11.5px var(--sans); fill: var(--soft); }
.grid { stroke: var(--rule); stroke-width: 1; fill: none; }
.axis { stroke: var(--soft); stroke-width: 1; fill: none; }
.mark { stroke: var(--soft); stroke-width: 1; stroke-dasharray: 2 4; fill: none; }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
.line.faint { stroke-width: 1; opacity: .28; }
.dot { fill: none; stroke-width: 5.2; stroke-linecap: round; }
.plot path { vector-effect: non-scaling-stroke; }
.zoomed .plot { overflow: hidden; }
.zoomed .plot text { display: none; }
.filter { margin-top: 14px; color: var(--soft); }
.filter input, .filter button { font: inherit; color: var(--ink); background: var(--wash); border: 1px solid var(--rule); border-radius: 5px; padding: 3px 9px; }
body.lost .brand::after { content: ' \u00b7 connection lost'; }
.selection { fill: var(--accent); opacity: .12; }
svg[data-chart] { user-select: none; }
.whisker { fill: none; stroke-width: 1.3; opacity: .75; }
.column { fill: var(--accent); opacity: .8; }
.note { margin: 6px 0 0; font-size: 13.5px; color: var(--soft); }
.charts + .note { margin-top: 20px; }
.zero { stroke: var(--ink); stroke-width: 1; fill: none; }
svg text.row { fill: var(--ink); font-size: 12.5px; }
td.heat { text-align: center; min-width: 62px; border: 2px solid var(--paper); background: color-mix(in oklab, var(--accent) calc(100% * var(--heat)), var(--wash)); color: var(--ink-light, var(--ink)); }
@media (prefers-color-scheme: dark) { td.heat { color: var(--ink-dark, var(--ink)); } }
table.heatmap { width: auto; }
table.heatmap th { border-bottom: none; }
.heatmaps { display: flex; flex-wrap: wrap; gap: 10px 44px; }
.heatmaps > div { max-width: 100%; } /* so that a wide heat map scrolls instead of the page */
.heatmaps h3 { margin: 18px 0 0; font-weight: 600; font-size: 15px; }
.verdict { font: 500 21px/1.4 var(--serif); color: var(--ink); max-width: 46ch; margin: 22px 0 0; }
th.words, td.words { text-align: left; white-space: normal; min-width: 9em; }
tr.found th, tr.found td { font-weight: 600; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; margin: 8px 0 0; padding: 0; list-style: none; font-size: 13.5px; color: var(--soft); }
.legend i { display: inline-block; width: 11px; height: 11px; border-radius: 50%; margin-right: 7px; vertical-align: -1px; }
.tip { position: fixed; z-index: 1; pointer-events: none; padding: 6px 10px; border: 1px solid var(--rule); border-radius: 5px; background: var(--paper); color: var(--ink); font-size: 13px; line-height: 1.45; box-shadow: 0 4px 14px rgb(0 0 0 / .12); max-width: 260px; }
.tip i { display: inline-block; width: 9px; height: 9px; border-radius: 50%; margin-right: 6px; }
.disks { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 300px), 1fr)); gap: 28px; margin-top: 18px; }
.disk { max-width: 660px; margin: 18px auto 0; }
.disks .disk { margin-top: 0; }
.disk h3 { margin: 0 0 8px; font: 500 18px var(--serif); text-align: center; }
.disk figcaption { margin-top: 12px; font-size: 13.5px; color: var(--soft); text-align: center; }
.disk .legend { justify-content: center; }
.rim { fill: var(--wash); stroke: var(--soft); stroke-width: 1.4; }
.lens { fill: var(--wash); stroke: var(--soft); stroke-width: 1; stroke-dasharray: 3 5; }
.seen { fill: var(--accent); opacity: .45; }
.ring { fill: none; stroke: var(--rule); stroke-width: 1.2; }
svg text.ringed { paint-order: stroke; stroke: var(--wash); stroke-width: 4px; stroke-linejoin: round; fill: var(--ink); pointer-events: none; }
.points circle { stroke: var(--paper); stroke-width: .6; }
.disks .disk svg text { font-size: 20px; }
.points.chosen circle { opacity: .12; }
.points.chosen circle.on { opacity: 1; }
.legend li[data-family] { cursor: default; }
.gallery { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 480px), 1fr)); gap: 14px 36px; margin-top: 16px; }
.strips { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 390px), 1fr)); gap: 22px 36px; }
.query { display: flex; gap: 6px; }
.query figure { flex: 0 1 72px; min-width: 0; }
.query figure.query { display: block; margin-right: 10px; }
.query img { display: block; width: 100%; height: auto; aspect-ratio: 1; border-radius: 4px; background: var(--wash); border: 2px solid transparent; }
.hit img { border-color: var(--hit); }
.miss img { border-color: var(--miss); }
.only img { outline: 2px dashed var(--accent); outline-offset: 1px; }
.compared figcaption { margin-top: 3px; }
.compared { margin-bottom: 14px; }
p.run { margin: 6px 0 4px; font-size: 13px; color: var(--soft); }
.query figcaption { font-size: 12px; line-height: 1.6; text-align: center; color: var(--soft); }
.miss figcaption { color: var(--miss); }
dl.settings { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 190px), 1fr)); gap: 2px 28px; margin: 14px 0 0; font-size: 14px; }
dl.settings div { display: flex; justify-content: space-between; gap: 12px; border-bottom: 1px solid var(--rule); padding: 4px 0; }
dt { color: var(--soft); flex: none; overflow-wrap: normal; }
dd { margin: 0; min-width: 0; text-align: right; }
footer { margin-top: 60px; padding-top: 16px; border-top: 1px solid var(--rule); font-size: 13.5px; color: var(--soft); }
.state { margin: 18px 0 8px; max-width: none; }
.state b { display: inline-block; margin-right: 8px; padding: 1px 9px; border-radius: 9px; background: var(--accent); color: var(--paper); font-weight: 600; font-size: 14px; }
.state b.failed, .state b.stopped { background: var(--miss); }
.state b.finished { background: var(--hit); }
.progress { height: 5px; border-radius: 3px; background: var(--rule); overflow: hidden; }
.progress i { display: block; height: 100%; background: var(--accent); transition: width .4s; }
.sliders { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 300px), 1fr)); gap: 12px 32px; margin-top: 22px; }
.sliders label { font-size: 14px; color: var(--soft); }
.sliders output { float: right; color: var(--ink); font-weight: 600; }
.sliders input { display: block; width: 100%; margin: 6px 0 0; accent-color: var(--accent); }
i.dot { display: inline-block; width: 11px; height: 11px; border-radius: 50%; margin-right: 8px; }
section > h3 { margin: 34px 0 0; font: 500 19px var(--serif); }
h2.second { margin-top: 42px; }
a { color: var(--accent); text-underline-offset: 2px; }
code { font: .92em ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace; }
@media (max-width: 560px) {
  body { padding: 26px 18px 48px; }
  h1 { font-size: 29px; }
  h2 { font-size: 22px; }
  section { margin-top: 42px; }
  .figures { gap: 12px 30px; }
  .figures b { font-size: 27px; }
  table { font-size: 14px; }
  th, td { padding: 7px 5px; }
  thead th { font-size: 12px; white-space: normal; }
  .chart svg text { font-size: 14px; }
  tbody th { min-width: 7em; }
  td.bar, th.words, td.words { min-width: 0; }
  td.bar::after { right: 5px; width: calc((100% - 5px) * var(--share)); }
  .disk svg text { font-size: 17px; }
  .query { gap: 4px; }
}
@media print { body { max-width: none; } section { break-inside: avoid; } }
`;
