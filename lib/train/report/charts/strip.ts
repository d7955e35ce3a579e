import type { NegativeStrip, Snapshot } from '../../measure/types.ts';
import { type Html, html, type Part } from '../html.ts';
import { percent } from '../tables.ts';
import { thumbnail } from './gallery.ts';

/** Shows sample anchors with a positive and the hardest negatives under each geometry; empty without samples. */
export function stripFigure(snapshot: Snapshot): Part {
  const strips = snapshot.strips ?? [];
  if (strips.length === 0) return null;
  return html`<h3>Hardest negatives</h3>
<p class="note">Sample anchors, each with an image of the same class and the negatives with the largest weight under each
geometry. Captions: share of the weight of all negatives.</p>
<div class="strips">${strips.map((strip) => stripBlock(strip, snapshot))}</div>`;
}

function stripBlock({ anchor, positive, hardest }: NegativeStrip, snapshot: Snapshot): Html {
  return html`<div class="strip"><div class="query">${thumbnail(anchor, snapshot, 'query', 'anchor')}${thumbnail(positive, snapshot, 'hit', 'positive')}</div>${hardest.map(
    ({ geometry, negatives }) =>
      html`<p class="run">${geometry}</p><div class="query">${negatives.map((negative) => thumbnail(negative, snapshot, 'miss', `${percent(negative.weight)}%`))}</div>`,
  )}</div>`;
}
