import type { BatchLoss } from '../../../batch-loss.ts';
import type { NegativeProfile, NegativeProfiles } from '../../measure/types.ts';
import type { RunConfig } from '../../options/options.ts';
import { lineChart, type Series } from '../charts/chart.ts';
import { geometryColors } from '../charts/color.ts';
import { type Html, html, type Part } from '../html.ts';
import { fixed, percent } from '../tables.ts';

/** The first sentence of the section on negatives, which says how to use it. */
export const negativesUse: Html = html`Use this section to choose the temperature and the geometry: a lower <code>--t_e</code> or <code>--t_h</code> concentrates the weight on hard negatives, and a higher one spreads it over more of them.`;

/** Shows which negatives contribute to the gradient, and how strongly, at the last evaluation. */
export function negativesSection(
  found: NegativeProfiles,
  { loss, beta }: Pick<RunConfig, 'loss' | 'beta'>,
  { curvature = null, strips = null }: { curvature?: string | null; strips?: Part } = {},
): Html {
  const { own: trained, views, classes, profiles } = found;
  return html`<section><h2>Weight of the negatives</h2>
<p>${negativesUse}</p>
<p>The loss pushes every image away from its negatives, the images of other classes, and gives some of them more weight than
others. This section shows the distribution of that weight in a batch of ${classes} test classes with ${views} images each: for the
geometry of this run (<b>${trained}</b>) with the loss 'views', and for the other geometries at the same temperatures, on the same
embeddings. Hard negatives are those with a high cosine similarity to the anchor.${otherLossText(loss, beta)}</p>
${profileTable(profiles.map((profile) => ({ name: profile.geometry, profile, lead: profile.geometry === trained })))}
<div class="charts">${rankChart(profiles, trained)}${pullChart(found)}</div>
<p class="note">${sameViewText(found)}${curvature === null ? null : ` ${curvature}`}</p>${strips}</section>`;
}

/** Says that a run was trained with other weights than the section shows; null if it was not. */
function otherLossText(loss: BatchLoss, beta: number): string | null {
  if (loss !== 'views') return ` This run was trained with the loss '${loss}', whose weights differ.`;
  return beta > 0 ? ` This run was trained with beta ${beta}, which gives hard negatives more weight.` : null;
}

/** Returns a table with one row per geometry or run. */
export function profileTable(
  rows: readonly { name: string; profile: NegativeProfile; lead?: boolean }[],
): Html {
  return html`<div class="scroll"><table><thead><tr><th scope="col"></th><th scope="col">effective number<br>of negatives</th><th scope="col">weight of the<br>hardest 1%</th><th scope="col">weight of the<br>hardest 10%</th><th scope="col">weight of<br>same-view negatives</th><th scope="col">remaining gradient<br>(1 − p₊)</th></tr></thead><tbody>${rows.map(
    ({ name, profile, lead }) =>
      html`<tr class="${lead ? 'lead' : 'aside'}"><th scope="row">${name}</th><td>${effectiveOf(profile)}</td>${[profile.hardest1, profile.hardest10, profile.sameView, profile.missed].map((share) => html`<td>${withUnit(share)}</td>`)}</tr>`,
  )}</tbody></table></div>
<p class="note">Effective number of negatives: exp(entropy of the weights). View i: the i-th image of every class in the batch. A
same-view negative is in the same view as the anchor. Remaining gradient: p₊ is the softmax probability of the positive, averaged
over the pairs, and the total weight of the negatives is proportional to 1 − p₊.</p>`;
}

function effectiveOf({ effective, negatives }: NegativeProfile): string {
  return Number.isNaN(effective) ? percent(effective) : `${fixed(effective, 1)} of ${negatives}`;
}

function withUnit(share: number): string {
  return Number.isNaN(share) ? percent(share) : `${percent(share)}%`;
}

/** Moves the geometry that the run trains to the front. */
function ordered(profiles: readonly NegativeProfile[], trained: string): NegativeProfile[] {
  const others = profiles.filter(({ geometry }) => geometry !== trained);
  return [...profiles.filter(({ geometry }) => geometry === trained), ...others];
}

function rankChart(profiles: readonly NegativeProfile[], trained: string): Html {
  const series = ordered(profiles, trained).map(
    ({ geometry, byRank }): Series => ({
      name: geometry,
      color: geometryColors[geometry],
      x: byRank.hardest,
      y: byRank.sameView.map((same, i) => same + byRank.crossView[i]!),
    }),
  );
  const [ownProfile] = ordered(profiles, trained) as [NegativeProfile];
  const same: Series = {
    name: `${trained}, same view only`,
    color: 'var(--soft)',
    x: ownProfile.byRank.hardest,
    y: ownProfile.byRank.sameView,
  };
  return lineChart({
    title: 'Weight of the hardest negatives',
    xLabel: 'number of hardest negatives',
    series: [...series, same],
    percent: true,
    yMin: 0,
    yMax: 1,
    logX: true,
    dense: true,
  });
}

function pullChart({ profiles, own: trained, cosineBins }: NegativeProfiles): Html {
  const centers = Array.from({ length: cosineBins }, (_, bin) => -1 + (2 * (bin + 0.5)) / cosineBins);
  const series = ordered(profiles, trained).flatMap(({ geometry, byCosine }): Series[] =>
    byCosine.pull === null
      ? []
      : [{ name: geometry, color: geometryColors[geometry], x: centers, y: byCosine.pull }],
  );
  const count = {
    name: 'share of the negatives',
    color: 'var(--soft)',
    x: centers,
    y: profiles[0]!.byCosine.count,
  };
  return lineChart({
    title: 'Share of the gradient by cosine',
    xLabel: 'cosine of anchor and negative',
    series: [...series, count],
    percent: true,
    yMin: 0,
  });
}

function sameViewText({ profiles, own: trained, views, tied }: NegativeProfiles): Part {
  const mine = profiles.find(({ geometry }) => geometry === trained)!;
  const share = 100 / views;
  const pull = tied
    ? 'The gradient share is the weight times the slope of the logit with respect to the angle.'
    : 'The gradient share is the weight times the gradient norm; with head hyp-vit, the hybrid loss has two gradients in separate spaces that cannot be added, so it has no line.';
  const counts =
    views === 2
      ? 'Each negative of an anchor occurs in one of them.'
      : `A negative with the view of the anchor occurs in ${views - 1} of them, any other negative in only one.`;
  return `All values are sums over the ordered pairs of views, as in the loss 'views'. ${counts} The ${share.toFixed(0)}% of the negatives with the same view carry ${percent(mine.sameView)}% of the weight. ${pull}`;
}
