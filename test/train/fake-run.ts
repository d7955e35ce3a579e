import type { Recall, Snapshot } from '../../lib/train/measure/types.ts';
import { parseConfig } from '../../lib/train/options/resolve.ts';
import type { EvaluationRow, HealthRow, Row, RunRecord } from '../../lib/train/run/record.ts';

/** Four gray pixels. */
const thumbnail =
  'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAMAAABFaP0WAAAAA1BMVEWIiIhYZW6zAAAACXBIWXMAAAPoAAAD6AG1e1JrAAAAC0lEQVQImWNgAAEAAAYAAeaH/n8AAAAASUVORK5CYII=';

function recall(at1: number): Recall {
  return { at: { 1: at1, 2: at1 + 0.1, 4: at1 + 0.15, 8: at1 + 0.2 }, strict: [at1 / 2, at1 / 3] };
}

export function evaluationRow(epoch: number, at1: number): EvaluationRow {
  const spaces = { hyperbolic: recall(at1), cosine: recall(at1 - 0.01), body: recall(at1 - 0.05) };
  return { type: 'evaluation', step: epoch, epoch, seconds: epoch, pictures: 8, classes: 4, spaces };
}

export function stepRow(step: number): Row {
  const loss = { loss: 10 / step, accuracy: 0.5, min: -3, mean: 0, max: 4 };
  return {
    type: 'step',
    step,
    epoch: step,
    ...loss,
    lr: 0.1,
    imagesPerSecond: 100,
    waitMs: 2,
    seconds: step,
  };
}

/** The health of a batch of four points, measured after the second step. */
export const fakeHealth: HealthRow = {
  type: 'health',
  step: 2,
  epoch: 2,
  c: 0.1,
  radius: { min: 0.1, mean: 0.5, max: 0.8, histogram: [0, 3, 0, 1] },
  atRim: 0.25,
  saturated: 0,
  scale: null,
  skippedSteps: 0,
  seconds: 1,
};

/** Four classes in a tree, two images each; the name of the first class contains HTML, to test escaping. */
export function fakeSnapshot(): Snapshot {
  const labels = [0, 0, 1, 1, 2, 2, 3, 3];
  const points = labels.flatMap((label, i) => [0.2 * Math.cos(label), 0.2 * Math.sin(label) + 0.01 * i]);
  return {
    dataset: 'folder',
    epoch: 4,
    classes: ['<b>&"owl"', 'lark', 'carp', 'pike'],
    parents: [
      ['birds/x', 'birds'],
      ['birds/y', 'birds'],
      ['fish/x', 'fish'],
      ['fish/x', 'fish'],
    ],
    disk: { c: 0.1, points, labels, explained: [0.4, 0.2] },
    gallery: [{ query: { label: 0, thumbnail }, nearest: [{ label: 1, thumbnail, distance: 0.5 }] }],
    baselines: [{ name: 'Raw pixels', recall: recall(0.08) }],
  };
}

/** The record of a run of four steps. */
export function fakeRun(name: string, options: Record<string, unknown> = {}): RunRecord {
  const rows = [
    evaluationRow(0, 0.06),
    stepRow(1),
    stepRow(2),
    stepRow(3),
    stepRow(4),
    evaluationRow(4, 0.6),
  ];
  return { name, config: parseConfig({ name, ...options }), rows, snapshot: fakeSnapshot() };
}

/** The files of a run folder after some steps, by name. */
export function runFiles(steps: number): Record<string, string> {
  const rows = Array.from({ length: steps }, (_, i) => `${JSON.stringify(stepRow(i + 1))}\n`);
  const config = JSON.stringify(parseConfig({ model: 'vit_nano', seed: 1 }));
  return { 'config.json': config, 'metrics.jsonl': rows.join('') };
}
