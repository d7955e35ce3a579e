import { ksOf } from '../../measure/recall.ts';
import type { Hierarchy } from '../../measure/types.ts';
import { html, type Part } from '../html.ts';
import { shownName } from '../run/names.ts';
import { fixed, percent, spaceNames } from '../tables.ts';

/** Returns a table of how well each space reflects the class tree; empty without a tree. */
export function hierarchyTable(hierarchy: Hierarchy | null | undefined): Part {
  if (!hierarchy) return null;
  const { spaces, depthRadius } = hierarchy;
  const levels = hierarchy.levels.map(shownName);
  const ks = ksOf([{ at: spaces.cosine.recall }]);
  return html`<h3>Neighbors in the class tree</h3>
<p class="note">Recall@k by level: a neighbor with the same ancestor at that level is a hit. Height: mean height of the lowest common
ancestor (LCA) with the nearest neighbor, 0 for the same class. nDCG: 1 if neighbors are ranked by their number of common ancestors.
Spearman: correlation between distance and LCA height. Rank difference: mean absolute difference between an image's rank by distance
and by LCA height, relative to the number of images. The correlation between depth in the tree and distance from the origin is ${fixed(depthRadius, 2)}.</p>
<div class="scroll"><table><thead><tr><th scope="col">Space</th>${ks.flatMap((k) =>
    levels.map((level) => html`<th scope="col">Recall@${k}, ${level}</th>`),
  )}<th scope="col">height</th><th scope="col">nDCG</th><th scope="col">Spearman</th><th scope="col">rank difference</th></tr></thead><tbody>${(
    ['hyperbolic', 'cosine', 'body'] as const
  ).map((space) => {
    const { recall, nearestLca, ndcg, spearman, rankDistortion } = spaces[space];
    return html`<tr><th scope="row">${spaceNames[space]}</th>${ks.flatMap((k) =>
      levels.map((_, up) => html`<td>${percent(recall[k]?.[up])}</td>`),
    )}<td>${fixed(nearestLca, 2)}</td><td>${fixed(ndcg, 3)}</td><td>${fixed(spearman, 2)}</td><td>${fixed(rankDistortion, 3)}</td></tr>`;
  })}</tbody></table></div>`;
}
