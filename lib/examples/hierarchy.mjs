// Embeds a small taxonomy in the Poincaré disk with only the core of horoball, and draws it.
//   node lib/examples/hierarchy.mjs [file.svg]
// The loss of Nickel and Kiela (arXiv 1705.08039) moves each name closer to its parent and children than to all other
// names.
import { writeFileSync } from 'node:fs';
import { geodesic, matrix, mobiusAdd, pairwiseDistance, RiemannianAdam } from 'horoball';

process.on('uncaughtException', ({ message }) => {
  console.error(message); // one sentence, without a stack
  process.exit(1);
});

const taxonomy = `animal: mammal bird fish insect
mammal: dog cat horse whale
bird: owl finch gull heron
fish: trout perch ray eel
insect: ant bee moth beetle
dog: terrier hound collie
cat: lynx puma ocelot
owl: barn-owl tawny-owl
finch: siskin linnet
ray: manta stingray
bee: bumblebee honeybee`;

const edges = taxonomy.split('\n').flatMap((line) => {
  const [parent, ...children] = line.split(/:? /);
  return children.map((child) => [parent, child]);
});
const names = [...new Set(edges.flat())];
const pairs = edges.map((edge) => edge.map((name) => names.indexOf(name)));
const n = names.length;
const linked = new Uint8Array(n * n);
for (const [a, b] of pairs) linked[a * n + b] = linked[b * n + a] = 1;

const c = 1;
// The points start near the center, at angles in depth-first order of the tree.
const below = (name) => [name, ...edges.filter(([parent]) => parent === name).flatMap(([, child]) => below(child))];
const order = below(names[0]);
const start = names.map((name) => (2 * Math.PI * order.indexOf(name)) / n);
const points = matrix(Float64Array.from(start.flatMap((a) => [0.1 * Math.cos(a), 0.1 * Math.sin(a)])), n, 2);
const optimizer = new RiemannianAdam(points, { c, lr: 0.02 });

/**
 * Returns the mean loss per edge, and its gradient with respect to every distance. The loss of an edge is the sum of
 * -log softmax(-d) over its two ends.
 */
function lossOf(d) {
  const cotangent = new Float64Array(n * n);
  let loss = 0;
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) {
      if (!linked[i * n + j]) continue;
      const rivals = names.map((_, k) => (k === j || (k !== i && !linked[i * n + k]) ? Math.exp(-d[i * n + k]) : 0));
      const sum = rivals.reduce((a, b) => a + b);
      loss += d[i * n + j] + Math.log(sum);
      cotangent[i * n + j] += 1;
      for (let k = 0; k < n; k++) cotangent[i * n + k] -= rivals[k] / sum;
    }
  }
  return { loss: loss / edges.length, cotangent: matrix(cotangent.map((g) => g / edges.length), n, n) };
}

for (let step = 0; step < 800; step++) {
  const { data } = pairwiseDistance.sync(points, undefined, { c });
  const { loss, cotangent } = lossOf(data);
  const [gradient] = pairwiseDistance.vjp.sync(points, undefined, cotangent, { c });
  optimizer.step(gradient, { lr: step < 600 ? 0.02 : 0.002 });
  if (step % 200 === 199) console.log(`step ${step + 1}  loss ${loss.toFixed(3)}`);
}

const { data: d } = pairwiseDistance.sync(points, undefined, { c });
let precision = 0;
for (let i = 0; i < n; i++) {
  const nearest = names.map((_, j) => j).filter((j) => j !== i).sort((a, b) => d[i * n + a] - d[i * n + b]);
  let hits = 0;
  const of = nearest.map((j, rank) => (linked[i * n + j] ? ++hits / (rank + 1) : 0));
  precision += of.reduce((a, b) => a + b) / hits / n;
}
console.log(`mean average precision of the links ${precision.toFixed(3)}`);

// Moves the root to the center: Möbius addition of the negated root preserves all distances.
const root = points.data.slice(0, 2).map((x) => -x);
const seen = mobiusAdd.sync(root, points, { c }).data;

const at = (x) => (250 + 240 * x).toFixed(1);
const place = ([x, y]) => `${at(x)},${at(y)}`;
const row = (i) => seen.slice(2 * i, 2 * i + 2);
const arcs = pairs.map(([a, b]) => {
  const steps = Array.from({ length: 17 }, (_, i) => geodesic.sync(i / 16, row(a), row(b), { c }).data);
  return `<polyline points="${steps.map(place).join(' ')}"/>`;
});
// Labels of leaves point away from the center, so that they do not overlap near the rim; other labels point toward the
// center.
const labels = names.map((name, i) => {
  const [x, y] = row(i);
  const turn = (Math.atan2(y, x) * 180) / Math.PI;
  const leaf = !edges.some(([parent]) => parent === name);
  const ends = Math.abs(turn) > 90 === leaf ? 'end' : 'start';
  const side = `${Math.abs(turn) > 90 ? 'rotate(180) ' : ''}translate(${ends === 'end' ? -5 : 5})`;
  return `<g transform="translate(${place([x, y])}) rotate(${turn.toFixed(1)})">
<circle r="2"/><text dy="0.3em" transform="${side}" text-anchor="${ends}">${name}</text></g>`;
});
const file = process.argv[2] ?? 'hierarchy.svg';
writeFileSync(
  file,
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="-50 -50 600 600" font-family="sans-serif" font-size="8">
<rect x="-50" y="-50" width="600" height="600" fill="white"/><circle cx="250" cy="250" r="240" fill="none" stroke="silver"/>
<g fill="none" stroke="#5b8">${arcs.join('')}</g>
<g fill="#245">${labels.join('')}</g>
</svg>
`,
);
console.log(file);
