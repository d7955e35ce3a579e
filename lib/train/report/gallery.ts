import type { Snapshot, Thumbnail } from '../record.ts';
import { type Html, html } from './html.ts';
import { lineage } from './names.ts';

/** A few test pictures, each with its nearest neighbours among the other test pictures. */
export function galleryFigure(snapshot: Snapshot): Html {
  return html`<div class="gallery">${snapshot.gallery.map(
    ({ query, nearest }) => html`<div class="query">
${picture(query, snapshot, 'query')}${nearest.map((one) =>
  picture(one, snapshot, one.label === query.label ? 'hit' : 'miss', one.distance),
)}</div>`,
  )}</div>`;
}

/** `framed`: one that is not in every row that it is compared with. */
export function picture(
  { label, thumbnail }: Thumbnail,
  snapshot: Snapshot,
  kind: 'query' | 'hit' | 'miss',
  distance?: number,
  framed = false,
): Html {
  const name = lineage(snapshot, label).join(', ');
  const words = { query: 'query', hit: 'same class', miss: 'another class' }[kind];
  const note = distance === undefined ? 'query' : distance.toFixed(2);
  return html`<figure class="${kind}${framed ? ' only' : ''}" title="${name} (${words})"><img src="${thumbnail}" alt="${name} (${words})" width="72" height="72"><figcaption>${note}</figcaption></figure>`;
}
