import { html } from '../report/html.ts';
import { page, settings } from '../report/page.ts';
import { section, topics } from './sections.ts';
import type { LiveRun } from './state.ts';

/** The live page as it stands now; its script then takes the parts that change from the server. */
export function livePage(run: LiveRun): string {
  const { name, config } = run;
  const [status, ...others] = topics;
  return page(
    `${name} · horoball live`,
    html`<header><p class="brand">horoball live</p><h1>${name}</h1>
<p class="lede">${config.geometry} loss, ${config.model} on ${config.ds}, seed ${config.seed}.</p>
<div id="${status!}">${section(status!, run)}</div></header>
${others.map((topic) => html`<section id="${topic}">${section(topic, run)}</section>`)}
<section><h2>Settings</h2>${settings(config)}</section>`,
    { more: script, footer: 'This page is served by the process that trains, to this machine only.' },
  );
}

/** Parts come as server-sent events; the browser connects again by itself until it hears that the run is over. */
const script = `
const source = new EventSource('events');
for (const topic of ${JSON.stringify(topics)}) source.addEventListener(topic, (event) => {
  const part = document.getElementById(topic);
  part.innerHTML = JSON.parse(event.data);
  wire(part);
});
source.addEventListener('end', () => source.close());
source.onerror = () => {
  const state = document.querySelector('.state b');
  if (source.readyState !== EventSource.CLOSED && state) state.textContent = 'Connection lost';
};
`;
