import { html } from '../report/html.ts';
import { page, settings } from '../report/run/page.ts';
import { section, topics } from './sections.ts';
import type { LiveRun } from './state.ts';

/** Renders the live page in its current state; its script then updates the changing parts. */
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
    { more: script, footer: 'Served by the training process, to this machine only.' },
  );
}

/** The page's script. Each server-sent event replaces one part of the page; the browser reconnects until the run ends. */
export const script: string = `
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
