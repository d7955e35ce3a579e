import { geometryTerms, headConstants, logitDefaults } from '../../../card-names.ts';
import { distanceWeight } from '../../../cards.ts';
import { hasClosedForm, pairCurve, radiusOfTied } from '../../measure/closed-forms.ts';
import { trainedGeometries } from '../../options/define.ts';
import { ticks } from '../charts/chart.ts';
import { geometryColors } from '../charts/color.ts';
import { type Html, html } from '../html.ts';
import { page } from './page.ts';

interface Slider {
  key: string;
  label: string;
  /** Limits of the slider, which is logarithmic. */
  range: readonly [number, number];
  value: number;
}

const sliders: readonly Slider[] = [
  { key: 't_e', label: 't_e, temperature of the cosine', range: [0.01, 1], value: logitDefaults.tauE },
  { key: 't_h', label: 't_h, temperature of the distance', range: [0.01, 1], value: logitDefaults.tauH },
  {
    key: 'lam',
    label: 'lam, weight of the distance (hybrid)',
    range: [0.05, 10],
    value: logitDefaults.lambda,
  },
  { key: 'c', label: 'c (curvature -c)', range: [0.01, 14], value: logitDefaults.c },
  {
    key: 'width',
    label: 'number of dimensions in which the negatives have random directions',
    range: [3, 128],
    value: 16,
  },
];

const geometries = trainedGeometries.filter(hasClosedForm);

/** Source code of the functions that the page's script calls. */
const functions = Object.entries({ radiusOfTied, distanceWeight, pairCurve, ticks })
  .map(([name, source]) => `const ${name} = ${source.toString()};`)
  .join('\n');

/** Returns an interactive page that shows the effect of temperatures and curvature on the negatives, from closed forms. */
export function explorePage(): string {
  return page(
    'Temperature and curvature · horoball',
    html`<header><p class="brand">horoball</p><h1>Temperature and curvature</h1>
<p class="lede">How a contrastive loss weights the negatives of an image, for a head whose two outputs are functions of the same unit
vector. The page computes everything from closed-form expressions as you move the sliders.</p>
<div class="sliders">${sliders.map(slider)}</div></header>
<section><h2>Effect on the negatives</h2>
<div class="scroll"><table id="shares"><thead><tr><th scope="col">Geometry</th><th scope="col">effective share<br>of the negatives</th><th scope="col">weight of the<br>hardest 1%</th><th scope="col">weight of the<br>hardest 10%</th><th scope="col">effective temperature<br>at cosine 0.9</th><th scope="col">0.5</th><th scope="col">0</th></tr></thead><tbody></tbody></table></div>
<p class="note">Effective share: if the weight were spread equally over this share of the negatives, its entropy would be that of the actual weights.</p>
<div class="charts">
${chart('q', 'Weight q by cosine', 'How the gradient of the loss is distributed over the negatives. Gray: the distribution of negatives with random directions.')}
${chart('pull', 'Push on the anchor', 'Weight times the slope of the logit with respect to the angle. A negative that is almost identical to the anchor (cosine near 1) still pushes it in geometries whose logit contains a distance, but not in the Euclidean one, whose logit is the cosine divided by t_e.')}
${chart('temperature', 'Effective temperature', 'The reciprocal of the slope of the logit with respect to the cosine: the t_e that gives a Euclidean loss the same slope.')}
${chart('logit', 'Logit', 'Relative to its value for identical vectors.')}
</div></section>`,
    { more: `const headConstants = ${JSON.stringify(headConstants)};\n${functions}\n${script}` },
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
const names = ${JSON.stringify(geometries)};
const terms = ${JSON.stringify(geometryTerms)};
const colors = ${JSON.stringify(geometries.map((name) => geometryColors[name]))};
const cells = 800;
// Midpoints of equal angle steps. They are dense near cosine 1, and exclude the ends, where the sine is 0.
const angles = Array.from({ length: cells }, (_, i) => Math.PI * (i + 0.5) / cells);
const cosines = angles.map(Math.cos);
const at = (id) => Math.exp(Number(document.getElementById(id).value));

const read = () => {
  const setting = { tauE: at('t_e'), tauH: at('t_h'), lambda: at('lam'), c: at('c'), clip: null };
  // For uniform directions on the sphere, the density of the angle is proportional to sin^(D-2).
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
  // exp(entropy) is the effective share: the fraction of the negatives that, weighted equally, have the same entropy.
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
  const cosines = [-1, -0.5, 0, 0.5, 1].map((value) => '<text class="tick" text-anchor="middle" y="232" x="' + x(value) + '">' + value + '</text>');
  const paths = lines.map(({ color, values }) => '<path class="line" stroke="' + color + '" d="' +
    values.map((value, i) => Number.isFinite(value) && i % 4 === 0 ? 'L' + x(cosines[i]).toFixed(1) + ' ' + y(value).toFixed(1) : '').join('').replace('L', 'M') + '"/>');
  document.getElementById(id).innerHTML = grid.join('') + cosines.join('') + '<text class="label" text-anchor="end" x="446" y="248">cosine</text>' + paths.join('');
};

const short = (value) => String(Number(value.toPrecision(2)));
const percent = (value) => (100 * value).toFixed(1) + '%';
const update = () => {
  const { setting, spread } = read();
  for (const input of document.querySelectorAll('.sliders input')) {
    const value = at(input.id);
    input.previousElementSibling.textContent = input.id === 'width' ? value.toFixed(0) : value.toPrecision(3);
  }
  const found = names.map((geometry) => profile({ ...setting, terms: terms[geometry] }, spread));
  const lines = (of) => found.map((one, i) => ({ color: colors[i], values: of(one) }));
  const densities = [{ color: 'var(--soft)', values: density(spread) }, ...lines(({ q }) => density(q))];
  const most = (list) => Math.max(...list.flatMap(({ values }) => values.filter(Number.isFinite)));
  draw('q', densities, 0, most(densities), short);
  const pulls = lines(({ pulls }) => density(pulls));
  draw('pull', pulls, 0, most(pulls), short);
  const warm = lines(({ curves }) => curves.map(({ slope }) => 1 / slope));
  draw('temperature', warm, 0, Math.min(1, most(warm)), short);
  const logits = lines(({ curves }) => curves.map(({ logit }) => logit - curves[0].logit));
  draw('logit', logits, Math.min(...logits.flatMap(({ values }) => values)), 0, short);
  document.querySelector('#shares tbody').innerHTML = found.map((one, i) => {
    const slope = (cos) => short(1 / pairCurve({ ...setting, terms: terms[names[i]] }, cos).slope);
    const row = [percent(one.effective), percent(one.hardest1), percent(one.hardest10), slope(0.9), slope(0.5), slope(0)];
    return '<tr><th scope="row"><i class="dot" style="background:' + colors[i] + '"></i>' + names[i] + '</th>' + row.map((cell) => '<td>' + cell + '</td>').join('') + '</tr>';
  }).join('');
};
document.querySelector('.sliders').addEventListener('input', update);
update();
`;
