import type { Snapshot } from '../../measure/types.ts';
import type { RunRecord } from '../../run/record.ts';
import { thumbnail } from '../charts/gallery.ts';
import { type Html, html, type Part } from '../html.ts';
import { fixed } from '../tables.ts';
import { counted } from './extent.ts';

type WithSnapshot = RunRecord & { snapshot: Snapshot };
type Query = Snapshot['gallery'][number];

const maxQueries = 6;

/**
 * Shows the nearest neighbors of the same images in several runs, one row per run, with a dashed frame around neighbors
 * that are not in every row. Images with identical rows are omitted.
 */
export function neighborsSection(records: readonly RunRecord[]): Part {
  const withSnapshot = records.filter((record): record is WithSnapshot => record.snapshot !== null);
  const shared = sharedQueries(withSnapshot);
  if (withSnapshot.length < 2 || shared.length === 0) return null;
  const differing = shared.filter((rows) => new Set(rows.map(neighborKey)).size > 1);
  return html`<section><h2>Nearest neighbors</h2>${
    differing.length === 0
      ? same(shared.length)
      : html`<p>The same test images in every run, with their nearest neighbors by the hyperbolic distance of that run. Dashed frame:
missing from the nearest neighbors of at least one run. Green: same class; red: different class.${
          differing.length < shared.length
            ? ` Images with the same neighbors in every run are omitted: ${shared.length - differing.length} of ${shared.length}.`
            : null
        }</p><div class="gallery">${differing.slice(0, maxQueries).map((rows) => comparison(rows, withSnapshot))}</div>`
  }</section>`;
}

function same(count: number): Html {
  return html`<p>All runs find the same neighbors in the same order for ${counted(count, 'shared image')}, so there is nothing to
compare.</p>`;
}

/** Returns the queries that are present in every run, identified by their image. */
function sharedQueries(withSnapshot: readonly WithSnapshot[]): Query[][] {
  const [first, ...others] = withSnapshot.map(({ snapshot }) => snapshot.gallery);
  // If an image occurs twice, its first query counts: a map keeps the last entry of a key, so the order is reversed.
  const byImage = others.map(
    (gallery) => new Map(gallery.toReversed().map((other) => [other.query.thumbnail, other])),
  );
  return (first ?? []).flatMap((query) => {
    const rows = byImage.map((gallery) => gallery.get(query.query.thumbnail));
    return rows.every((row) => row !== undefined) ? [[query, ...rows]] : [];
  });
}

function neighborKey({ nearest }: Query): string {
  return nearest.map(({ thumbnail }) => thumbnail).join();
}

/** Returns the images that are in every row, in time linear in the number of rows. */
function inEvery(rows: readonly Query[]): Set<string> {
  const [first, ...others] = rows.map(({ nearest }) => new Set(nearest.map(({ thumbnail }) => thumbnail)));
  return new Set([...(first ?? [])].filter((thumbnail) => others.every((row) => row.has(thumbnail))));
}

function comparison(rows: readonly Query[], withSnapshot: readonly WithSnapshot[]): Html {
  const everywhere = inEvery(rows);
  return html`<div class="compared">${rows.map(
    ({ query, nearest }, i) => html`<p class="run">${withSnapshot[i]!.name}</p><div class="query">
${thumbnail(query, withSnapshot[i]!.snapshot, 'query')}${nearest.map((one) =>
  thumbnail(
    one,
    withSnapshot[i]!.snapshot,
    one.label === query.label ? 'hit' : 'miss',
    fixed(one.distance, 2),
    !everywhere.has(one.thumbnail),
  ),
)}</div>`,
  )}</div>`;
}
