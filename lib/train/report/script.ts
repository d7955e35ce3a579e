/**
 * The script of a report: shows chart values and class names under the pointer, and highlights one class or
 * family. Without it, the page still shows everything except the names of the points.
 */
export const script = `
const tip = document.body.appendChild(Object.assign(document.createElement('div'), { className: 'tip', hidden: true }));
const show = (event, lines) => {
  tip.replaceChildren(...lines.map(([text, color]) => {
    const line = document.createElement('div');
    if (color) line.appendChild(document.createElement('i')).style.background = color;
    line.append(text);
    return line;
  }));
  tip.hidden = false;
  const left = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8);
  const below = event.clientY + 14 + tip.offsetHeight < innerHeight;
  tip.style.left = Math.max(8, left) + 'px';
  tip.style.top = (below ? event.clientY + 14 : event.clientY - 14 - tip.offsetHeight) + 'px';
};
const hide = () => { tip.hidden = true; };

const wire = (root) => {
for (const svg of root.querySelectorAll('svg[data-chart]')) {
  const chart = JSON.parse(svg.dataset.chart);
  const cursor = svg.querySelector('.cursor');
  const written = (value) => chart.percent ? (100 * value).toFixed(1) + '%' : String(value);
  svg.addEventListener('pointermove', (event) => {
    const box = svg.getBoundingClientRect();
    const x = (event.clientX - box.left) / box.width * svg.viewBox.baseVal.width;
    const all = chart.series.filter((one) => one.px.length).map((one) => {
      let at = 0;
      one.px.forEach((px, i) => { if (Math.abs(px - x) < Math.abs(one.px[at] - x)) at = i; });
      return { one, at };
    });
    if (!all.length) return;
    const off = ({ one, at }) => Math.abs(one.px[at] - x);
    const first = all.reduce((best, each) => off(each) < off(best) ? each : best);
    // Skip lines without a point near this position, such as those of shorter runs.
    const near = all.filter(({ one, at }) => Math.abs(one.px[at] - first.one.px[first.at]) <= 14);
    cursor.innerHTML = near.map(({ one, at }) =>
      '<circle r="3.6" cx="' + one.px[at] + '" cy="' + one.py[at] + '" fill="' + one.color + '"/>').join('');
    const value = first.one.x[first.at];
    show(event, [[chart.xLabel + ' ' + (value < 10 ? Number(value.toPrecision(3)) : Math.round(value))],
      ...near.map(({ one, at }) => [one.name + '  ' + written(one.y[at]), one.color])]);
  });
  svg.addEventListener('pointerleave', () => { cursor.innerHTML = ''; hide(); });
}

for (const figure of root.querySelectorAll('.disk')) {
  const names = JSON.parse(figure.querySelector('script').textContent);
  const points = figure.querySelector('.points');
  const lift = (chosen) => {
    points.classList.toggle('chosen', chosen !== null);
    for (const dot of points.children) dot.classList.toggle('on', chosen !== null && chosen(names[dot.dataset.class]));
  };
  points.addEventListener('pointerover', (event) => {
    const name = names[event.target.dataset.class];
    if (!name) return;
    lift((other) => other === name);
    show(event, [[name[0], event.target.getAttribute('fill')], ...(name.length > 1 ? [[name.slice(1).join(', ')]] : [])]);
  });
  points.addEventListener('pointerout', () => { lift(null); hide(); });
  for (const entry of figure.querySelectorAll('[data-family]')) {
    entry.addEventListener('pointerenter', () => lift((name) => name.at(-1) === entry.dataset.family));
    entry.addEventListener('pointerleave', () => lift(null));
  }
}
};
wire(document);
`;
