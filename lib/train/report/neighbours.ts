import type { RunRecord, Snapshot } from '../record.ts';
import { picture } from './gallery.ts';
import { type Html, html, type Part } from './html.ts';

type Drawn = RunRecord & { snapshot: Snapshot };
type Query = Snapshot['gallery'][number];

/** Pairs of rows that a person still compares. */
const mostQueries = 6;

/**
 * The same pictures' nearest neighbours in several runs, one row a run, with a dashed frame around those that not every run
 * has. Rows that are all alike are not drawn.
 */
export function neighboursSection(records: readonly RunRecord[]): Part {
  const drawn = records.filter((record): record is Drawn => record.snapshot !== null);
  const shared = sharedQueries(drawn);
  if (drawn.length < 2 || shared.length === 0) return null;
  const differing = shared.filter((rows) => new Set(rows.map(neighbourKey)).size > 1);
  return html`<section><h2>Nearest neighbours</h2>${
    differing.length === 0
      ? same(shared.length)
      : html`<p>The same test pictures in every run, with the nearest others by its hyperbolic distance. In a dashed frame: pictures
that not every run has among its nearest. Green: the same class; red: another.${
          differing.length < shared.length
            ? ` Of ${shared.length} pictures, ${shared.length - differing.length} have the same neighbours in every run and are left out.`
            : null
        }</p><div class="gallery">${differing.slice(0, mostQueries).map((rows) => comparison(rows, drawn))}</div>`
  }</section>`;
}

function same(count: number): Html {
  return html`<p>All runs find the same neighbours, in the same order, for the ${count} pictures that they share, so there is nothing
to compare. Two outputs of one head with unit norm always do: both rank by the same cosine.</p>`;
}

/** Queries that every run has, known by their very picture. */
function sharedQueries(drawn: readonly Drawn[]): Query[][] {
  const [first, ...others] = drawn.map(({ snapshot }) => snapshot.gallery);
  return (first ?? []).flatMap((query) => {
    const rows = others.map((gallery) =>
      gallery.find((other) => other.query.thumbnail === query.query.thumbnail),
    );
    return rows.every((row) => row !== undefined) ? [[query, ...rows]] : [];
  });
}

function neighbourKey({ nearest }: Query): string {
  return nearest.map(({ thumbnail }) => thumbnail).join();
}

function comparison(rows: readonly Query[], drawn: readonly Drawn[]): Html {
  const everywhere = (thumbnail: string): boolean =>
    rows.every(({ nearest }) => nearest.some((other) => other.thumbnail === thumbnail));
  return html`<div class="compared">${rows.map(
    ({ query, nearest }, i) => html`<p class="run">${drawn[i]!.name}</p><div class="query">
${picture(query, drawn[i]!.snapshot, 'query')}${nearest.map((one) =>
  picture(
    one,
    drawn[i]!.snapshot,
    one.label === query.label ? 'hit' : 'miss',
    one.distance,
    !everywhere(one.thumbnail),
  ),
)}</div>`,
  )}</div>`;
}
