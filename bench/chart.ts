/** One line of a chart: a time and its label. */
export interface BarItem {
  readonly label: string;
  readonly detail: string;
  readonly value: number;
  readonly spread: number;
  readonly own: boolean;
}

/**
 * Returns a chart of times as HTML that shrinks with the page: dots on a logarithmic axis of milliseconds. Whiskers show
 * the spread, clipped to the axis. Not bars, because a logarithmic axis has no zero at which they could start.
 */
export function barChart(items: readonly BarItem[]): string {
  const values = items.map(({ value }) => value);
  const [low, high] = decades(Math.min(...values) / 2, Math.max(...values));
  const place = scale(low, high, 0, 100);
  const grid = powers(low, high).map((value) => `<i style="left:${place(value)}%"></i>`);
  const ticks = powers(low, high).map((value, i, all) => {
    const side = i === 0 ? ' class="first"' : i === all.length - 1 ? ' class="last"' : '';
    return `<span${side} style="left:${place(value)}%">${short(value)}</span>`;
  });
  const axis = `<div class="bar axis"><span class="label">ms, logarithmic</span><span class="track">${ticks.join('')}</span></div>`;
  return `<div class="bars">${items.map((item) => bar(item, grid.join(''), place)).join('')}${axis}</div>`;
}

function bar(item: BarItem, grid: string, place: (value: number) => number): string {
  const { label, detail, value, spread, own } = item;
  const [from, to] =
    spread > 0 ? [place(value / (1 + spread)), Math.min(100, place(value * (1 + spread)))] : [0, 0];
  const whisker = to > from ? `<b style="left:${from}%;width:${Number((to - from).toFixed(1))}%"></b>` : '';
  const title = `${label}: ${figure(value)} ms, spread ${(100 * spread).toFixed(0)} %`;
  return (
    `<div class="bar" title="${markup(title)}"><span class="label">${markup(label)}</span>` +
    `<span class="track">${grid}<u class="${own ? 'own' : 'peer'}" style="left:${place(value)}%"></u>${whisker}</span>` +
    `<span class="value">${figure(value)}${detail === '' ? '' : ` <small>${markup(detail)}</small>`}</span></div>`
  );
}

/** Values of one quantity as a function of N or D. */
export interface Curve {
  readonly label: string;
  /** Name of the x axis. */
  readonly over: string;
  readonly xs: readonly number[];
  readonly ys: readonly number[];
}

/** Returns a plot of the curve on two logarithmic axes, as SVG. */
export function scalingPlot({ label, over, xs, ys }: Curve, unit: string): string {
  const [w, h, margin] = [380, 250, 52];
  const [xLow, xHigh] = decades(Math.min(...xs), Math.max(...xs));
  const [yLow, yHigh] = decades(Math.min(...ys), Math.max(...ys));
  const px = scale(xLow, xHigh, margin, w - 20);
  const py = scale(yLow, yHigh, h - margin, 28);
  const grid = [
    ...powers(xLow, xHigh).map(
      (v) =>
        `<path class="grid" d="M${px(v)} 28V${h - margin}"/><text class="tick" x="${px(v)}" y="${h - margin + 18}" text-anchor="middle">${short(v)}</text>`,
    ),
    ...powers(yLow, yHigh).map(
      (v) =>
        `<path class="grid" d="M${margin} ${py(v)}H${w - 20}"/><text class="tick" x="${margin - 8}" y="${py(v) + 4}" text-anchor="end">${short(v)}</text>`,
    ),
  ];
  const points = xs.map((x, i) => [px(x), py(ys[i]!)] as const);
  const path = `<path class="curve" d="M${points.map((point) => point.join(' ')).join('L')}"/>`;
  const dots = points.map(
    ([x, y], i) =>
      `<circle class="own" cx="${x}" cy="${y}" r="4"><title>${over} = ${xs[i]}: ${figure(ys[i]!)} ${unit}</title></circle>`,
  );
  const title = `<text class="label" x="${margin}" y="16">${markup(`${label}, ${unit}`)}</text><text class="tick" x="${w - 16}" y="${h - 12}" text-anchor="end">${over}</text>`;
  return svg(w, h, label, [title, ...grid, path, ...dots].join(''));
}

function svg(w: number, h: number, label: string, body: string): string {
  return `<svg viewBox="0 0 ${w} ${h}" style="max-width:${w}px" role="img" aria-label="${markup(label)}">${body}</svg>`;
}

/** Returns two different powers of ten: the largest that is at most `low`, and then the smallest that is at least `high`. */
function decades(low: number, high: number): [number, number] {
  const from = 10 ** Math.floor(Math.log10(low));
  const to = 10 ** Math.ceil(Math.log10(high));
  return [from, to > from ? to : 10 * from];
}

function powers(low: number, high: number): number[] {
  const count = Math.round(Math.log10(high / low));
  return Array.from({ length: count + 1 }, (_, i) => low * 10 ** i);
}

/** Returns a logarithmic scale: a function that maps the range [low, high] to [from, to], and smaller values to `from`. */
function scale(low: number, high: number, from: number, to: number): (value: number) => number {
  const per = (to - from) / Math.log10(high / low);
  return (value) => Math.round(10 * (from + per * Math.log10(Math.max(value, low) / low))) / 10;
}

/** Formats a power of ten for an axis, such as 100k. */
function short(value: number): string {
  if (value >= 1e6) return `${value / 1e6}M`;
  if (value >= 1000) return `${value / 1000}k`;
  return String(Number(value.toPrecision(1)));
}

function figure(value: number): string {
  return value >= 1000 ? Math.round(value).toLocaleString('en') : String(Number(value.toPrecision(3)));
}

/** Escapes text for HTML. */
export function markup(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
