import type { NegativeProfile, NegativeProfiles } from '../record.ts';
import { lineChart, type Series } from './chart.ts';
import { geometryColours } from './colour.ts';
import { type Html, html, type Part } from './html.ts';
import { percent } from './tables.ts';

/** Which negatives pull, and how hard: the question of the paper, for the network as it was evaluated last. */
export function negativesSection(found: NegativeProfiles, curvature: string | null = null): Html {
  const { own, views, classes, profiles } = found;
  return html`<section><h2>Which negatives pull</h2>
<p>The loss pushes every picture away from those of other classes, its negatives, and from some harder than from others.
Here is how that push is spread in a batch of ${classes} unseen classes with ${views} pictures each: for the
loss of this run (<b>${own}</b>) and for the other geometries at the same temperatures, on the same embeddings.
Hard means near by cosine.</p>
${profileTable(profiles.map((profile) => ({ name: profile.geometry, profile, lead: profile.geometry === own })))}
<div class="charts">${rankChart(profiles, own)}${pullChart(found)}</div>
<p class="note">${sameViewWords(found)}${curvature === null ? null : ` ${curvature}`}</p></section>`;
}

/** A line a loss. */
export function profileTable(
  rows: readonly { name: string; profile: NegativeProfile; lead?: boolean }[],
): Html {
  return html`<div class="scroll"><table><thead><tr><th scope="col"></th><th scope="col">effective number<br>of negatives</th><th scope="col">weight of the<br>hardest 1 %</th><th scope="col">weight of the<br>hardest 10 %</th><th scope="col">weight of the<br>same view</th><th scope="col">push left<br>(1 − p₊)</th></tr></thead><tbody>${rows.map(
    ({ name, profile, lead }) =>
      html`<tr class="${lead ? 'lead' : 'aside'}"><th scope="row">${name}</th><td>${profile.effective.toFixed(1)} of ${profile.negatives}</td><td>${percent(profile.hardest1)} %</td><td>${percent(profile.hardest10)} %</td><td>${percent(profile.sameView)} %</td><td>${percent(profile.missed)} %</td></tr>`,
  )}</tbody></table></div>`;
}

/** The run's own geometry comes first. */
function ordered(profiles: readonly NegativeProfile[], own: string): NegativeProfile[] {
  const others = profiles.filter(({ geometry }) => geometry !== own);
  return [...profiles.filter(({ geometry }) => geometry === own), ...others];
}

function rankChart(profiles: readonly NegativeProfile[], own: string): Html {
  const series = ordered(profiles, own).map(
    ({ geometry, byRank }): Series => ({
      name: geometry,
      colour: geometryColours[geometry],
      x: byRank.hardest,
      y: byRank.sameView.map((same, i) => same + byRank.crossView[i]!),
    }),
  );
  const [ownProfile] = ordered(profiles, own) as [NegativeProfile];
  const same: Series = {
    name: `${own}, same view only`,
    colour: 'var(--soft)',
    x: ownProfile.byRank.hardest,
    y: ownProfile.byRank.sameView,
  };
  return lineChart({
    title: 'Weight of the hardest negatives',
    xLabel: 'so many of the hardest',
    series: [...series, same],
    percent: true,
    yMin: 0,
    yMax: 1,
    logX: true,
    dense: true,
  });
}

function pullChart({ profiles, own, cosineBins }: NegativeProfiles): Html {
  const centres = Array.from({ length: cosineBins }, (_, bin) => -1 + (2 * (bin + 0.5)) / cosineBins);
  const series = ordered(profiles, own).flatMap(({ geometry, byCosine }): Series[] =>
    byCosine.pull === null
      ? []
      : [{ name: geometry, colour: geometryColours[geometry], x: centres, y: byCosine.pull }],
  );
  const count = {
    name: 'share of the negatives',
    colour: 'var(--soft)',
    x: centres,
    y: profiles[0]!.byCosine.count,
  };
  return lineChart({
    title: 'Share of the pull by cosine',
    xLabel: 'cosine of anchor and negative',
    series: [...series, count],
    percent: true,
    yMin: 0,
  });
}

function sameViewWords({ profiles, own, views, tied }: NegativeProfiles): Part {
  const mine = profiles.find(({ geometry }) => geometry === own)!;
  const share = 100 / views;
  const pull = tied
    ? 'The pull is the weight times the slope of the logit in the angle between the two.'
    : 'The pull is the weight times the norm of the gradient; an untied hybrid has two in spaces of their own, which do not add, and no line.';
  return `The figures sum over the ordered pairs of views, as the loss does: a negative of the anchor's own view stands in ${views - 1} of its rows, one of another view in one. So ${share.toFixed(0)} % of the negatives, those of the own view, carry ${percent(mine.sameView)} % of the weight. The effective number is exp(entropy of the weights). ${pull}`;
}
