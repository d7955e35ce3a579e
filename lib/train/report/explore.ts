import { pairCurve } from '../closed-forms.ts';
import { ticks } from './chart.ts';
import { geometryColours } from './colour.ts';
import { type Html, html } from './html.ts';
import { page } from './page.ts';

interface Slider {
  key: string;
  label: string;
  /** Ends and first value; the slider moves the logarithm. */
  range: readonly [number, number];
  value: number;
}

const sliders: readonly Slider[] = [
  { key: 't_e', label: 't_e, temperature of the cosine', range: [0.01, 1], value: 0.1 },
  { key: 't_h', label: 't_h, temperature of the distance', range: [0.01, 1], value: 0.2 },
  { key: 'lam', label: 'lam, weight of the distance (hybrid)', range: [0.05, 10], value: 0.5 },
  { key: 'c', label: 'c, the curvature is -c', range: [0.01, 14], value: 0.1 },
  { key: 'width', label: 'dimensions that negatives spread over', range: [3, 128], value: 16 },
];

/** A page on which temperatures and curvature can be moved, with what they do to the negatives, from the closed forms. */
export function explorePage(): string {
  return page(
    'Temperature and curvature · horoball',
    html`<header><p class="brand">horoball</p><h1>Temperature and curvature</h1>
<p class="lede">How a contrastive loss chooses among the negatives of a picture, for a head whose two outputs come from one unit
vector. Everything here is computed from formulas, in this page, as you move the sliders.</p>
<div class="sliders">${sliders.map(slider)}</div></header>
<section><h2>What it does</h2>
<div class="scroll"><table id="shares"><thead><tr><th scope="col">Geometry</th><th scope="col">effective share<br>of the negatives</th><th scope="col">weight of the<br>hardest 1 %</th><th scope="col">weight of the<br>hardest 10 %</th><th scope="col">effective temperature<br>at cosine 0.9</th><th scope="col">0.5</th><th scope="col">0</th></tr></thead><tbody></tbody></table></div>
<div class="charts">
${chart('q', 'Weight q over the cosine', 'The loss draws its negatives from this distribution. Grey: all negatives, spread at random.')}
${chart('pull', 'Pull on the anchor', 'Weight times the slope of the logit in the angle. Near-duplicates, at cosine 1, keep pulling in the ball and not on the sphere.')}
${chart('temperature', 'Effective temperature', 'One over the slope of the logit in the cosine: what t_e a Euclidean loss would need to be as steep there.')}
${chart('logit', 'Logit', 'Less its value for equal vectors.')}
</div></section>`,
    { more: `const pairCurve = ${pairCurve.toString()};\nconst ticks = ${ticks.toString()};\n${script}` },
  );
}

function slider({ key, label, range, value }: Slider): Html {
  const [low, high] = range.map(Math.log) as [number, number];
  return html`<label>${label}<output for="${key}">${value}</output><input type="range" id="${key}" min="${low.toFixed(4)}" max="${high.toFixed(4)}" step="0.001" value="${Math.log(value).toFixed(4)}"></label>`;
}

function chart(id: string, title: string, note: string): Html {
  return html`<figure class="chart"><figcaption>${title}</figcaption><svg id="${id}" viewBox="0 0 460 250" role="img" aria-label="${title}"></svg><p class="note">${note}</p></figure>`;
}

const script = `
const names = ${JSON.stringify(Object.keys(geometryColours))};
const colours = ${JSON.stringify(Object.values(geometryColours))};
const cells = 800;
// Middles of equal steps of the angle: fine where cosines are near 1, and never at the ends.
const angles = Array.from({ length: cells }, (_, i) => Math.PI * (i + 0.5) / cells);
const cosines = angles.map(Math.cos);
const at = (id) => Math.exp(Number(document.getElementById(id).value));

const read = () => {
  const setting = { t_e: at('t_e'), t_h: at('t_h'), lam: at('lam'), c: at('c'), clip: null };
  // Cosines of directions that are even on the sphere: density sin^(D-2) of the angle.
  const base = angles.map((angle) => Math.exp((at('width') - 2) * Math.log(Math.sin(angle))));
  const sum = base.reduce((a, b) => a + b);
  return { setting, spread: base.map((value) => value / sum) };
};

const profile = (setting, spread) => {
  const curves = cosines.map((cos) => pairCurve(setting, cos));
  const top = Math.max(...curves.map(({ logit }) => logit));
  const raw = curves.map(({ logit }, i) => spread[i] * Math.exp(logit - top));
  const sum = raw.reduce((a, b) => a + b);
  const q = raw.map((value) => value / sum);
  const pulls = curves.map(({ pull }, i) => q[i] * pull);
  // Relative entropy to the spread: the share of equal negatives that would be as uneven.
  const entropy = q.reduce((total, value, i) => total - (value > 0 && spread[i] > 0 ? value * Math.log(value / spread[i]) : 0), 0);
  const hardest = (share) => {
    let [seen, weight] = [0, 0];
    for (let i = 0; i < cells; i++) {
      const part = Math.min(1, Math.max(0, (share - seen) / spread[i]));
      weight += part * q[i];
      seen += spread[i];
    }
    return weight;
  };
  return { curves, q, pulls, effective: Math.exp(entropy), hardest1: hardest(0.01), hardest10: hardest(0.1) };
};

const density = (values) => values.map((value, i) => value / (Math.sin(angles[i]) * Math.PI / cells));

const draw = (id, lines, low, high, written) => {
  const x = (cos) => 44 + (cos + 1) / 2 * 402;
  const y = (value) => 216 - (Math.min(Math.max(value, low), high) - low) / (high - low || 1) * 200;
  const grid = ticks([low, high], 4).map((value) => {
    return '<path class="grid" d="M44 ' + y(value) + 'H446"/><text class="tick" x="38" dy="0.35em" text-anchor="end" y="' + y(value) + '">' + written(value) + '</text>';
  });
  const places = [-1, -0.5, 0, 0.5, 1].map((value) => '<text class="tick" text-anchor="middle" y="232" x="' + x(value) + '">' + value + '</text>');
  const paths = lines.map(({ colour, values }) => '<path class="line" stroke="' + colour + '" d="' +
    values.map((value, i) => Number.isFinite(value) && i % 4 === 0 ? 'L' + x(cosines[i]).toFixed(1) + ' ' + y(value).toFixed(1) : '').join('').replace('L', 'M') + '"/>');
  document.getElementById(id).innerHTML = grid.join('') + places.join('') + '<text class="label" text-anchor="end" x="446" y="248">cosine</text>' + paths.join('');
};

const short = (value) => String(Number(value.toPrecision(2)));
const percent = (value) => (100 * value).toFixed(1) + ' %';
const update = () => {
  const { setting, spread } = read();
  for (const input of document.querySelectorAll('.sliders input')) {
    const value = at(input.id);
    input.previousElementSibling.textContent = input.id === 'width' ? value.toFixed(0) : value.toPrecision(3);
  }
  const found = names.map((geometry) => profile({ ...setting, geometry }, spread));
  const lines = (of) => found.map((one, i) => ({ colour: colours[i], values: of(one) }));
  const densities = [{ colour: 'var(--soft)', values: density(spread) }, ...lines(({ q }) => density(q))];
  const most = (list) => Math.max(...list.flatMap(({ values }) => values.filter(Number.isFinite)));
  draw('q', densities, 0, most(densities), short);
  const pulls = lines(({ pulls }) => density(pulls));
  draw('pull', pulls, 0, most(pulls), short);
  const warm = lines(({ curves }) => curves.map(({ slope }) => 1 / slope));
  draw('temperature', warm, 0, Math.min(1, most(warm)), short);
  const logits = lines(({ curves }) => curves.map(({ logit }) => logit - curves[0].logit));
  draw('logit', logits, Math.min(...logits.flatMap(({ values }) => values)), 0, short);
  document.querySelector('#shares tbody').innerHTML = found.map((one, i) => {
    const slope = (cos) => short(1 / pairCurve({ ...setting, geometry: names[i] }, cos).slope);
    const row = [percent(one.effective), percent(one.hardest1), percent(one.hardest10), slope(0.9), slope(0.5), slope(0)];
    return '<tr><th scope="row"><i class="dot" style="background:' + colours[i] + '"></i>' + names[i] + '</th>' + row.map((cell) => '<td>' + cell + '</td>').join('') + '</tr>';
  }).join('');
};
document.querySelector('.sliders').addEventListener('input', update);
update();
`;
