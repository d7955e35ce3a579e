/** The page of `horoball reproduce`: one section per question of the HypMix paper. */
import { join } from 'node:path';
import { writeText } from '../../../io/text.ts';
import { hasClosedForm, pairCurve, settingOf } from '../../measure/closed-forms.ts';
import type { NegativeProfile } from '../../measure/types.ts';
import type { RunConfig } from '../../options/options.ts';
import { readRun } from '../../run/read.ts';
import { healthRowsOf, type RunRecord } from '../../run/record.ts';
import { reportFailureText } from '../../run/warnings.ts';
import { type ArmSummary, analyze, type CellSummary } from '../../study/analyze.ts';
import { baseline, subject } from '../../study/plan.ts';
import { publishedRecipes, type StudyName } from '../../study/reproduction.ts';
import { type ReproductionRecord, readRecord, readStudies } from '../../study/reproduction-folder.ts';
import { runName, type Study } from '../../study/results.ts';
import { lineChart, type Series } from '../charts/chart.ts';
import { geometryColors } from '../charts/color.ts';
import { depthTable } from '../charts/depth.ts';
import { heatMap } from '../charts/heat.ts';
import { stripFigure } from '../charts/strip.ts';
import { type Html, html, type Part } from '../html.ts';
import { maxDrawn, notesOf } from '../run/compare.ts';
import { counted } from '../run/extent.ts';
import { profileTable } from '../run/negatives.ts';
import { duration, page } from '../run/page.ts';
import { fixed, orZero, percent } from '../tables.ts';
import { bestSection, contrastSection, resultNotesOf, temperatureSection } from './study.ts';
import { finishedSeeds, interval, intervalName, verdictText } from './words.ts';

/** A reproduction read from its folder: its studies, and the runs that the page shows in detail. */
export interface ReadReproduction {
  record: ReproductionRecord;
  studies: Readonly<Record<StudyName, Study>>;
  /** The first run at the best setting of each geometry, highest recall first; without runs that were deleted. */
  best: readonly RunRecord[];
  /** The first run of each setting in the study of heads; without runs that were deleted. */
  heads: readonly RunRecord[];
}

/**
 * Reads a reproduction and the runs that its page shows in detail.
 * @returns null if the folder does not contain a reproduction
 */
export async function readReproduction(path: string): Promise<ReadReproduction | null> {
  const record = await readRecord(path);
  if (record === null) return null;
  const studies = await readStudies(path);
  const firstRun = async (name: StudyName, { cell, scores }: CellSummary): Promise<RunRecord[]> => {
    for (const seed of scores.keys()) {
      const run = await readRun(join(path, name, 'runs', runName(cell, seed))).catch(nullIfDeleted);
      if (run === null) continue;
      return [{ ...run, rows: healthRowsOf(run.rows).slice(-1) }]; // all rows of many long runs would not fit into memory
    }
    return [];
  };
  const runsOf = async (name: StudyName, cells: readonly CellSummary[]): Promise<RunRecord[]> => {
    const runs: RunRecord[] = [];
    for (const each of cells.slice(0, maxDrawn)) runs.push(...(await firstRun(name, each)));
    return runs;
  };
  const bests = analyze(studies.temperature)
    .arms.flatMap(({ best }) => best ?? [])
    .sort((a, b) => b.estimate.mean - a.estimate.mean);
  const settings = analyze(studies.head).arms.flatMap(({ cells }) => cells);
  return { record, studies, best: await runsOf('temperature', bests), heads: await runsOf('head', settings) };
}

function nullIfDeleted(error: NodeJS.ErrnoException): null {
  if (error.code === 'ERR_HOROBALL_RUN') return null;
  throw error;
}

/**
 * Writes report.html of a reproduction.
 *
 * @returns its path; null if the folder does not contain a reproduction
 */
export async function writeReproduction(path: string): Promise<string | null> {
  const found = await readReproduction(path);
  if (found === null) return null;
  const file = join(path, 'report.html');
  await writeText(file, reproductionPage(found));
  return file;
}

/** Returns a function that writes the page; a failure becomes a warning, so that the runs continue. */
export function reproductionReport(path: string, onWarning: (text: string) => void): () => Promise<void> {
  return async () => {
    await writeReproduction(path).catch((error) => onWarning(reportFailureText(error, path)));
  };
}

/** Renders a complete or partial reproduction as a self-contained page. */
export function reproductionPage({ record, studies, best, heads }: ReadReproduction): string {
  const temperature = analyze(studies.temperature);
  const nothing = temperature.arms.every((arm) => arm.best === null);
  return page(
    `Reproduction on ${record.ds} · horoball`,
    html`<header><p class="brand">horoball reproduce</p><h1>Geometry or temperature?</h1>
<p class="lede">${lede(record, studies)}</p>
<p class="verdict">${verdictText(temperature)}</p>${record.quick ? html`<p class="note">These runs are only a preview: they are too short for conclusions.</p>` : null}${resultNotesOf(studies)}${notesOf([...best, ...heads])}</header>
${nothing ? null : html`${temperatureSection(temperature)}${bestSection(temperature)}${contrastSection(temperature)}`}
${lambdaSection(analyze(studies['lambda-c']).arms)}
${stripSection(best)}
${theorySection(best)}
${headSection(studies.head, heads)}
${publishedSection(record.ds)}
${methodSection(record)}`,
  );
}

function lede({ ds }: ReproductionRecord, studies: Readonly<Record<StudyName, Study>>): string {
  const all = Object.values(studies);
  const total = all.reduce((sum, { plan }) => sum + plan.cells.length * plan.seeds.length, 0);
  const results = all.flatMap((study) => study.results);
  const took = results.reduce((sum, { seconds }) => sum + orZero(seconds), 0);
  const { model, ep, bs } = studies.temperature.plan.cells[0]!.config;
  const runsText = results.length === total ? `${total} runs` : `${results.length} of ${total} runs so far`;
  return `Does hyperbolic geometry help, or does it only act as a temperature? ${runsText} of ${model} on ${ds}, ${counted(ep, 'epoch')}, batch size ${bs}${took > 0 ? `, ${duration(took)} in total` : ''}.`;
}

/** Returns a heat map of mean recall by lambda and c, if the runs form a grid. */
function lambdaSection(arms: readonly ArmSummary[]): Part {
  const cells = arms.flatMap((arm) => arm.cells);
  if (cells.every(({ scores }) => scores.size === 0)) return null;
  const values = (name: 'lam' | 'hyp_c'): number[] =>
    [...new Set(cells.map(({ cell }) => cell.config[name]))].sort((a, b) => a - b);
  const [lams, curvatures] = [values('lam'), values('hyp_c')];
  if (lams.length * curvatures.length > cells.length) return null; // not a grid
  const means = new Map(
    cells.map(({ cell: { config }, estimate }) => [`${config.lam} ${config.hyp_c}`, estimate.mean]),
  );
  const mean = (lam: number, c: number): number | null => means.get(`${lam} ${c}`) ?? null;
  return html`<section><h2>Recall against lambda and c</h2>
<p>Mean Recall@1 of the hybrid loss in percent, at fixed temperatures. <a href="lambda-c/report.html">All runs</a></p>${heatMap(
    'rows: lambda, columns: c',
    { name: 'lam \\ c', values: curvatures },
    lams.map((lam) => ({ name: String(lam), values: curvatures.map((c) => mean(lam, c)) })),
  )}</section>`;
}

/** Shows the hardest negatives under each geometry, on the embeddings of the best run. */
function stripSection(best: readonly RunRecord[]): Part {
  const withStrips = best.filter(({ snapshot }) => (snapshot?.strips ?? []).length > 0);
  const [shown] = withStrips;
  if (shown === undefined) return null;
  return html`<section><h2>Hard negatives</h2>
<p>Which negatives push an anchor away most strongly depends on the geometry of the loss. The embeddings are those of the best
${shown.config.geometry} run; the weights are those of each geometry at the temperatures of that run.</p>${stripFigure(shown.snapshot!)}</section>`;
}

/** Compares the closed-form predictions for head `hypmix` with the measured distribution of the gradient. */
function theorySection(best: readonly RunRecord[]): Part {
  if (best.length === 0) return null;
  const cosines = Array.from({ length: 39 }, (_, i) => -0.95 + i * 0.05);
  const formulas = best.filter(({ config }) => hasClosedForm(config.geometry));
  const curves = formulas.map(
    ({ config }): Series => ({
      name: config.geometry,
      color: geometryColors[config.geometry],
      x: cosines,
      y: cosines.map((cosine) => 1 / pairCurve(settingOf(config), cosine).slope),
    }),
  );
  const measured = formulas.flatMap((run) => {
    const profile = ownProfile(run);
    return profile === undefined ? [] : [shareChart(run.config, profile)];
  });
  const rows = best.flatMap((run) => {
    const profile = ownProfile(run);
    return profile === undefined ? [] : [{ name: run.config.geometry, profile, lead: true }];
  });
  return html`<section><h2>Effective temperature and hard negatives</h2>
<p>The effective temperature of a pair is the reciprocal of the slope of its logit with respect to its cosine. It is constant for the
Euclidean loss, and lower for similar pairs (hard negatives) under the hyperbolic distance. The other charts compare the measured share of the
gradient by cosine with the share that the formulas predict for the negatives of a batch.</p>
<div class="charts">${lineChart({ title: 'Effective temperature by cosine', xLabel: 'cosine of anchor and negative', series: curves, yMin: 0, dense: true })}${measured}</div>
${rows.length === 0 ? null : profileTable(rows)}</section>`;
}

/** Returns the profile of a run's own loss; undefined if its config.json was changed, or nothing was measured. */
function ownProfile({ config, snapshot }: RunRecord): NegativeProfile | undefined {
  return snapshot?.negatives?.profiles.find(({ geometry }) => geometry === config.geometry);
}

function shareChart(config: RunConfig, { byCosine: { count, pull } }: NegativeProfile): Html {
  const { geometry } = config;
  const centers = count.map((_, bin) => -1 + (2 * (bin + 0.5)) / count.length);
  const curves = centers.map((cosine) => pairCurve(settingOf(config), cosine));
  const highest = Math.max(...curves.map(({ logit }) => logit));
  const forces = curves.map(({ logit, pull }, bin) => count[bin]! * Math.exp(logit - highest) * pull);
  const total = forces.reduce((sum, force) => sum + force, 0);
  return lineChart({
    title: `Share of the gradient, ${geometry}`,
    xLabel: 'cosine of anchor and negative',
    series: [
      { name: 'measured', color: geometryColors[geometry], x: centers, y: pull ?? [] },
      { name: 'predicted', color: 'var(--soft)', x: centers, y: forces.map((force) => force / total) },
    ],
    percent: true,
    yMin: 0,
  });
}

/**
 * Compares the heads, with unit norm and with free radius: recall, radii, and whether the radii reflect the class tree.
 */
function headSection(study: Study, heads: readonly RunRecord[]): Part {
  const { arms } = analyze(study);
  const cells = arms.flatMap(({ arm, cells }) => cells.map((summary) => ({ arm, ...summary })));
  if (cells.every(({ scores }) => scores.size === 0)) return null;
  const runs = new Map(heads.map((run) => [run.name, run]));
  const radiusOf = ({ cell, scores }: CellSummary): string => {
    const run = [...scores.keys()].flatMap((seed) => runs.get(runName(cell, seed)) ?? [])[0];
    const last = run === undefined ? undefined : healthRowsOf(run.rows).at(-1);
    if (last === undefined) return '–';
    const { min, mean, max } = last.radius;
    return `${fixed(mean, 3)} (${fixed(min, 3)} to ${fixed(max, 3)})`;
  };
  const trees = heads.flatMap(({ config, snapshot }) => {
    const depth = snapshot?.depth ?? [];
    return depth.length === 0
      ? []
      : [html`<h3>${config.geometry}, head ${config.head}</h3>${depthTable(depth)}`];
  });
  return html`<section><h2>Fixed or free radius?</h2>
<p>The head of HypMix places all points at the same radius; that of Hyp-ViT leaves the radius free. If the radius encoded depth in
the class tree, the midpoints of larger groups would be closer to the origin than those of their subgroups.
<a href="head/report.html">All runs</a></p>
<div class="scroll"><table><thead><tr><th scope="col">Geometry</th><th scope="col">head</th><th scope="col">Recall@1</th><th scope="col">${intervalName(finishedSeeds(arms))}</th><th scope="col">radius (mean, range; boundary = 1)</th></tr></thead><tbody>${cells.map(
    (each) =>
      html`<tr><th scope="row">${each.arm}</th><td>${each.cell.config.head}</td><td>${percent(each.estimate.mean)}</td><td>${interval(each.estimate)}</td><td>${radiusOf(each)}</td></tr>`,
  )}</tbody></table></div>${trees}</section>`;
}

function publishedSection(ds: string): Part {
  const published = publishedRecipes(ds).filter(({ recallAt1 }) => recallAt1 !== null);
  if (published.length === 0) return null;
  return html`<section><h2>Published values</h2><p>Recall@1 in percent, as the papers report it for training with all their published settings.</p>
<div class="scroll"><table><thead><tr><th scope="col">Paper</th><th scope="col">backbone</th><th scope="col">Recall@1</th></tr></thead><tbody>${published.map(
    ({ paper, options, recallAt1 }) =>
      html`<tr><th scope="row">${paper}</th><td>${options.model ?? ''}</td><td>${String(recallAt1)}</td></tr>`,
  )}</tbody></table></div></section>`;
}

/** Describes the runs that the command omitted; an empty string if it omitted none. */
function omittedText({ quick, seeds, grid, asked: requested }: ReproductionRecord): string {
  if (quick) return ' With --quick, it uses fewer settings, one seed and far fewer epochs.';
  if (grid === 'full' && seeds.length === requested.length) return '';
  return ` To fit the budget, it uses ${grid === 'full' ? 'all settings' : 'fewer settings'} and ${seeds.length} of ${requested.length} seeds.`;
}

function methodSection(record: ReproductionRecord): Html {
  const { command, machine } = record;
  return html`<section><h2>How this report was made</h2>
<p><code>${command}</code> on ${machine}.${omittedText(record)} The geometries ${baseline}, ${subject} and hybrid ran with the same seeds: a seed
determines the initial weights and the order of the images, and differences are computed per seed. Each study has its own
report: <a href="temperature/report.html">temperature</a>, <a href="lambda-c/report.html">lambda and c</a>,
<a href="head/report.html">head</a>.</p></section>`;
}
