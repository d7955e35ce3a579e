/**
 * The part of a page's script for line charts: shows the values at the pointer, and zooms into a range selected by
 * dragging. It is the body of a function of `root`, and uses `show` and `hide` of report/script.ts.
 */
export const chartScript = `
for (const svg of root.querySelectorAll('svg[data-chart]')) {
  const chart = JSON.parse(svg.dataset.chart);
  const { box, domain } = chart;
  const [plot, axes, cursor, selection] = ['.plot', '.axes', '.cursor', '.selection'].map((name) => svg.querySelector(name));
  const wholeAxes = axes.innerHTML;
  const whole = { left: box.left, right: box.right, top: box.top, bottom: box.bottom };
  const across = box.right - box.left, down = box.bottom - box.top;
  let view = whole;
  const xOf = (px) => box.left + (px - view.left) / (view.right - view.left) * across;
  const yOf = (py) => box.top + (py - view.top) / (view.bottom - view.top) * down;
  const number = (value) => String(Number(value.toPrecision(4)));
  const written = (value) => chart.percent ? (100 * value).toFixed(1) + '%' : String(value);
  const pointer = (event) => {
    const seen = svg.getBoundingClientRect();
    return (event.clientX - seen.left) / seen.width * svg.viewBox.baseVal.width;
  };
  const round = (low, high) => {
    const rough = (high - low) / 5, power = 10 ** Math.floor(Math.log10(rough));
    const step = power * ([1, 2, 5].find((factor) => factor * power >= rough) ?? 10);
    const first = Math.ceil(low / step);
    return Array.from({ length: Math.max(0, Math.floor(high / step) - first + 1) }, (_, i) => Number(((first + i) * step).toPrecision(12)));
  };

  const draw = () => {
    svg.classList.toggle('zoomed', view !== whole);
    plot.setAttribute('viewBox', [view.left, view.top, view.right - view.left, view.bottom - view.top].join(' '));
    if (view === whole) return void (axes.innerHTML = wholeAxes);
    const xAt = (px) => domain.x[0] + (px - box.left) / across * (domain.x[1] - domain.x[0]);
    const yAt = (py) => domain.y[1] - (py - box.top) / down * (domain.y[1] - domain.y[0]);
    const [low, high, bottom, top] = [xAt(view.left), xAt(view.right), yAt(view.bottom), yAt(view.top)];
    axes.innerHTML = round(bottom, top).map((value) => {
      const at = box.bottom - (value - bottom) / (top - bottom) * down;
      return '<path class="grid" d="M' + box.left + ' ' + at + 'H' + box.right + '"/><text class="tick" x="' + (box.left - 7) + '" y="' + at
        + '" dy="0.35em" text-anchor="end">' + (chart.percent ? number(100 * value) + '%' : number(value)) + '</text>';
    }).join('') + round(low, high).map((value) => '<text class="tick" x="' + (box.left + (value - low) / (high - low) * across) + '" y="'
      + (box.bottom + 15) + '" text-anchor="middle">' + number(value) + '</text>').join('');
  };

  /**
   * Zooms to the range between two horizontal positions of the unzoomed chart; the vertical range adapts to its points.
   */
  const zoom = (left, right) => {
    const inside = chart.series.flatMap((one) => one.py.filter((_, i) => one.px[i] >= left && one.px[i] <= right));
    if (inside.length === 0 || right - left < 1e-3) return;
    const [top, bottom] = [Math.min(...inside), Math.max(...inside)];
    const space = 0.06 * (bottom - top) || 4;
    view = { left, right, top: top - space, bottom: bottom + space };
    draw();
  };
  // A live page redraws charts while they are viewed, so the zoomed range is stored in x values instead of pixels.
  const title = svg.getAttribute('aria-label');
  const kept = zooms.get(title);
  const toPixels = (value) => box.left + (value - domain.x[0]) / (domain.x[1] - domain.x[0]) * across;
  if (kept && domain) zoom(...kept.map(toPixels));

  let began = null;
  svg.addEventListener('pointerdown', (event) => {
    if (!domain || event.button !== 0 || event.pointerType === 'touch') return; // touch scrolls the page
    began = pointer(event);
    svg.setPointerCapture(event.pointerId);
  });
  svg.addEventListener('pointerup', (event) => {
    if (began === null) return;
    const ends = [began, pointer(event)].sort((a, b) => a - b);
    began = null;
    selection.setAttribute('width', 0);
    if (ends[1] - ends[0] < 6) return;
    const [left, right] = ends.map((x) => {
      const within = Math.min(box.right, Math.max(box.left, x));
      return view.left + (within - box.left) / across * (view.right - view.left);
    });
    zooms.set(title, [left, right].map((px) => domain.x[0] + (px - box.left) / across * (domain.x[1] - domain.x[0])));
    zoom(left, right);
  });
  svg.addEventListener('dblclick', () => {
    zooms.delete(title);
    view = whole;
    draw();
  });
  svg.addEventListener('pointermove', (event) => {
    const x = pointer(event);
    if (began !== null) {
      selection.setAttribute('x', Math.min(began, x));
      selection.setAttribute('width', Math.abs(x - began));
    }
    const all = chart.series.map((one) => {
      const seen = [...one.px.keys()].filter((i) => one.px[i] >= view.left && one.px[i] <= view.right);
      const off = (i) => Math.abs(xOf(one.px[i]) - x);
      return { one, at: seen.reduce((best, i) => best === null || off(i) < off(best) ? i : best, null) };
    }).filter(({ at }) => at !== null);
    if (!all.length) return;
    const off = ({ one, at }) => Math.abs(xOf(one.px[at]) - x);
    const first = all.reduce((best, each) => off(each) < off(best) ? each : best);
    // Skip lines without a point near this position, such as those of shorter runs.
    const near = all.filter(({ one, at }) => Math.abs(xOf(one.px[at]) - xOf(first.one.px[first.at])) <= 14);
    cursor.innerHTML = near.map(({ one, at }) =>
      '<circle r="3.6" cx="' + xOf(one.px[at]) + '" cy="' + yOf(one.py[at]) + '" fill="' + one.color + '"/>').join('');
    const value = first.one.x[first.at];
    show(event, [[chart.xLabel + ' ' + (value < 10 ? Number(value.toPrecision(3)) : Math.round(value))],
      ...near.map(({ one, at }) => [one.name + '  ' + written(one.y[at]), one.color])]);
  });
  svg.addEventListener('pointerleave', () => { cursor.innerHTML = ''; hide(); });
}
`;
