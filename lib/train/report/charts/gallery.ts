import type { Snapshot, Thumbnail } from '../../measure/types.ts';
import { type Html, html } from '../html.ts';
import { lineageText } from '../run/names.ts';
import { fixed } from '../tables.ts';

/** Shows sample test images, each with its nearest neighbors among the other test images. */
export function galleryFigure(snapshot: Snapshot): Html {
  return html`<div class="gallery">${snapshot.gallery.map(
    ({ query, nearest }) => html`<div class="query">
${thumbnail(query, snapshot, 'query')}${nearest.map((one) =>
  thumbnail(one, snapshot, one.label === query.label ? 'hit' : 'miss', fixed(one.distance, 2)),
)}</div>`,
  )}</div>`;
}

/**
 * Returns an image with a caption; the tooltip has the name of its class, and `kind` in words.
 * @param note - caption
 * @param framed - whether to mark the image with a dashed frame
 */
export function thumbnail(
  { label, thumbnail }: Thumbnail,
  snapshot: Snapshot,
  kind: 'query' | 'hit' | 'miss',
  note = 'query',
  framed = false,
): Html {
  const name = lineageText(snapshot, label);
  const words = { query: 'query', hit: 'same class', miss: 'different class' }[kind];
  return html`<figure class="${kind}${framed ? ' only' : ''}" title="${name} (${words})"><img src="${thumbnail}" alt="${name} (${words})" width="72" height="72"><figcaption>${note}</figcaption></figure>`;
}
