import type { Hierarchy } from '../../measure/types.ts';
import { html, type Part } from '../html.ts';
import { fixed, percent, spaceNames } from '../tables.ts';

/** How well each space follows the class tree; empty without a tree. */
export function hierarchyTable(hierarchy: Hierarchy | null | undefined): Part {
  if (!hierarchy) return null;
  const { levels, spaces, depthRadius } = hierarchy;
  const ks = Object.keys(spaces.cosine.recall);
  return html`<h3>The class tree among the neighbors</h3>
<p class="note">Recall by level: a hit has the same ancestor there. Height of the lowest common ancestor with the nearest
neighbor: 0 is the same class. nDCG: neighbors with more common ancestors come first. Spearman correlation and rank difference:
distances compared with the tree. Between depth in the tree and distance from the origin, the correlation is
${fixed(depthRadius, 2)}.</p>
<div class="scroll"><table><thead><tr><th scope="col">Space</th>${ks.flatMap((k) =>
    levels.map((level) => html`<th scope="col">R@${k}, ${level}</th>`),
  )}<th scope="col">height</th><th scope="col">nDCG</th><th scope="col">Spearman</th><th scope="col">rank difference</th></tr></thead><tbody>${(
    ['hyperbolic', 'cosine', 'body'] as const
  ).map((space) => {
    const { recall, nearestLca, ndcg, spearman, rankDistortion } = spaces[space];
    return html`<tr><th scope="row">${spaceNames[space]}</th>${ks.flatMap((k) =>
      levels.map((_, up) => html`<td>${percent(recall[k]?.[up])}</td>`),
    )}<td>${fixed(nearestLca, 2)}</td><td>${fixed(ndcg, 3)}</td><td>${fixed(spearman, 2)}</td><td>${fixed(rankDistortion, 3)}</td></tr>`;
  })}</tbody></table></div>`;
}
