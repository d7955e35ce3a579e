import type { Snapshot, Thumbnail } from '../../measure/types.ts';
import { type Html, html } from '../html.ts';
import { lineage } from '../run/names.ts';
import { fixed } from '../tables.ts';

/** Sample test images, each with its nearest neighbors among the other test images. */
export function galleryFigure(snapshot: Snapshot): Html {
  return html`<div class="gallery">${snapshot.gallery.map(
    ({ query, nearest }) => html`<div class="query">
${thumbnail(query, snapshot, 'query')}${nearest.map((one) =>
  thumbnail(one, snapshot, one.label === query.label ? 'hit' : 'miss', one.distance),
)}</div>`,
  )}</div>`;
}

/** `framed`: not present in every compared row. */
export function thumbnail(
  { label, thumbnail }: Thumbnail,
  snapshot: Snapshot,
  kind: 'query' | 'hit' | 'miss',
  distance?: number,
  framed = false,
): Html {
  const name = lineage(snapshot, label).join(', ');
  const words = { query: 'query', hit: 'same class', miss: 'different class' }[kind];
  const note = distance === undefined ? 'query' : fixed(distance, 2);
  return html`<figure class="${kind}${framed ? ' only' : ''}" title="${name} (${words})"><img src="${thumbnail}" alt="${name} (${words})" width="72" height="72"><figcaption>${note}</figcaption></figure>`;
}
