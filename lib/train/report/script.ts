import { chartScript } from './charts/chart-script.ts';

/**
 * The script of a report: shows chart values and class names at the pointer, zooms into charts, and highlights a class or
 * family. Without scripts, the page still shows everything except exact chart values and the names of the points.
 */
export const script: string = `
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

/** The ranges of zoomed charts, by title. */
const zooms = new Map();

const wire = (root) => {${chartScript}
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
