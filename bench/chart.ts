/** One bar: a time, and what it is. */
export interface BarItem {
  readonly label: string;
  readonly detail: string;
  readonly value: number;
  readonly spread: number;
  readonly own: boolean;
}

const width = 760;
const left = 250;
const right = 150;
const line = 26;

/** Horizontal bars on a logarithmic axis of milliseconds; whiskers are the spread. */
export function barChart(items: readonly BarItem[]): string {
  const values = items.map(({ value }) => value);
  const [low, high] = decades(Math.min(...values) / 2, Math.max(...values));
  const place = scale(low, high, left, width - right);
  const bottom = items.length * line + 8;
  const grid = powers(low, high).map((value) => {
    const x = place(value);
    return `<path class="grid" d="M${x} 4V${bottom}"/><text class="tick" x="${x}" y="${bottom + 16}" text-anchor="middle">${tick(value)}</text>`;
  });
  const bars = items.map((item, i) => bar(item, 8 + i * line, place));
  const axis = `<text class="tick" x="${width - right + 12}" y="${bottom + 16}">ms</text>`;
  return svg(width, bottom + 24, 'Times in milliseconds', [...grid, axis, ...bars].join(''));
}

function bar(item: BarItem, y: number, place: (value: number) => number): string {
  const { label, detail, value, spread, own } = item;
  const end = place(value);
  const middle = y + 9;
  const whisker =
    spread > 0 ? `M${place(value / (1 + spread))} ${middle}H${place(value * (1 + spread))}` : '';
  return (
    `<g><title>${markup(`${label}: ${figure(value)} ms, spread ${(100 * spread).toFixed(0)} %`)}</title>` +
    `<text class="label" x="${left - 8}" y="${middle + 4}" text-anchor="end">${markup(label)}</text>` +
    `<rect class="${own ? 'own' : 'peer'}" x="${left}" y="${y}" width="${Math.max(2, end - left)}" height="18" rx="3"/>` +
    `<path class="whisker" d="${whisker}"/>` +
    `<text class="value" x="${end + 10 + (spread > 0 ? place(value * (1 + spread)) - end : 0)}" y="${middle + 4}">${markup(`${figure(value)} ${detail}`)}</text></g>`
  );
}

/** Points of one quantity over N. */
export interface Curve {
  readonly label: string;
  readonly xs: readonly number[];
  readonly ys: readonly number[];
}

/** A curve on two logarithmic axes. */
export function scalingPlot({ label, xs, ys }: Curve, unit: string): string {
  const [w, h, margin] = [380, 260, 52];
  const [xLow, xHigh] = decades(Math.min(...xs), Math.max(...xs));
  const [yLow, yHigh] = decades(Math.min(...ys), Math.max(...ys));
  const px = scale(xLow, xHigh, margin, w - 16);
  const py = scale(yLow, yHigh, h - margin, 28);
  const grid = [
    ...powers(xLow, xHigh).map(
      (v) =>
        `<path class="grid" d="M${px(v)} 28V${h - margin}"/><text class="tick" x="${px(v)}" y="${h - margin + 18}" text-anchor="middle">${tick(v)}</text>`,
    ),
    ...powers(yLow, yHigh).map(
      (v) =>
        `<path class="grid" d="M${margin} ${py(v)}H${w - 16}"/><text class="tick" x="${margin - 8}" y="${py(v) + 4}" text-anchor="end">${tick(v)}</text>`,
    ),
  ];
  const points = xs.map((x, i) => [px(x), py(ys[i]!)] as const);
  const path = `<path class="curve" d="M${points.map((point) => point.join(' ')).join('L')}"/>`;
  const dots = points.map(
    ([x, y], i) =>
      `<circle class="own" cx="${x}" cy="${y}" r="4"><title>N = ${xs[i]}: ${figure(ys[i]!)} ${unit}</title></circle>`,
  );
  const title = `<text class="label" x="${margin}" y="16">${markup(`${label}, ${unit}`)}</text><text class="tick" x="${w - 16}" y="${h - 12}" text-anchor="end">N</text>`;
  return svg(w, h, label, [title, ...grid, path, ...dots].join(''));
}

function svg(w: number, h: number, label: string, body: string): string {
  return `<svg viewBox="0 0 ${w} ${h}" style="max-width:${w}px" role="img" aria-label="${markup(label)}">${body}</svg>`;
}

/** The powers of ten around a range. */
function decades(low: number, high: number): [number, number] {
  const from = 10 ** Math.floor(Math.log10(low));
  const to = 10 ** Math.ceil(Math.log10(high));
  return [from, to > from ? to : 10 * from];
}

function powers(low: number, high: number): number[] {
  const count = Math.round(Math.log10(high / low));
  return Array.from({ length: count + 1 }, (_, i) => low * 10 ** i);
}

/** A logarithmic scale with one decimal of a pixel. */
function scale(low: number, high: number, from: number, to: number): (value: number) => number {
  const per = (to - from) / Math.log10(high / low);
  return (value) => Math.round(10 * (from + per * Math.log10(Math.max(value, low) / low))) / 10;
}

function tick(value: number): string {
  return value >= 1 ? Math.round(value).toLocaleString('en') : String(Number(value.toPrecision(1)));
}

function figure(value: number): string {
  return value >= 1000 ? Math.round(value).toLocaleString('en') : String(Number(value.toPrecision(3)));
}

/** Text as HTML. */
export function markup(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
