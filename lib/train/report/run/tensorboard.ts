import { lstatSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { EventWriter, type HyperParameter } from '../../../io/events.ts';
import { reasonOf } from '../../../io/file-errors.ts';
import { fileKey } from '../../../io/inside.ts';
import type { Snapshot } from '../../measure/types.ts';
import type { RunEnd, RunListener } from '../../run/hooks.ts';
import { readConfig } from '../../run/read.ts';
import type { EvaluationRow, HealthRow, Row, StepRow } from '../../run/record.ts';
import { diskPng, galleryJpeg } from '../charts/raster.ts';
import { levelUp } from '../tables.ts';

/** Maximum number of radii in a histogram; larger counts are scaled down, which preserves the shape. */
const maxRadii = 65_536;

/**
 * Writes a run's TensorBoard events: the main values of metrics.jsonl, and drawings of the report. `tensorboard
 * --logdir runs` shows all runs under the names of their folders. Numbers that were not measured are omitted. The first
 * failure becomes a warning and ends the event file, but not the run.
 */
export class TensorBoard implements RunListener {
  readonly #warn: (text: string) => void;
  /** The run folder; null if nothing is stored, and after a failure. */
  #folder: string | null = null;
  /** The key of the run's log; no other file can get it, because the log stays open. */
  #log: string | null = null;
  /** Opened when the first row or image is written. */
  #writer: EventWriter | null = null;
  /** First step of this session; earlier steps are in the files of earlier sessions. */
  #firstStep = 0;
  #step = 0;

  /** @param warn - receives the reason if the events cannot be written */
  constructor(warn: (text: string) => void) {
    this.#warn = warn;
  }

  onStore(folder: string | null): void {
    this.#folder = folder;
    this.#log = folder === null ? null : logOf(folder);
  }

  onResume(_: string, step: number): void {
    this.#firstStep = step + 1;
    this.#step = step;
  }

  onStep(row: StepRow): Promise<void> {
    return this.#write(row);
  }

  onEvaluation(row: EvaluationRow): Promise<void> {
    return this.#write(row);
  }

  onHealth(row: HealthRow): Promise<void> {
    return this.#write(row);
  }

  /** Logs drawings of the report as images. */
  async onSnapshot(snapshot: Snapshot): Promise<void> {
    await this.#attempt(async (folder) => {
      this.#writer ??= await this.#open(folder);
      this.#writer.image('disk', await diskPng(snapshot), this.#step);
      const gallery = await galleryJpeg(snapshot);
      if (gallery) this.#writer.image('nearest neighbors', gallery, this.#step);
    });
  }

  /** Flushes the events, because a resumed run does not repeat the rows before its checkpoint. */
  async onCheckpoint(): Promise<void> {
    await this.#attempt(async () => await this.#writer?.flush());
  }

  async onEnd(end: RunEnd): Promise<void> {
    await this.#attempt(async () => {
      const writer = this.#writer;
      this.#writer = null;
      writer?.endSession(end === 'failed' ? 'failure' : 'success');
      await writer?.close();
    });
  }

  async #write(row: Row): Promise<void> {
    await this.#attempt(async (folder) => {
      this.#step = row.step;
      this.#writer ??= await this.#open(folder);
      if (row.type === 'step') this.#logStep(row);
      if (row.type === 'evaluation') this.#logEvaluation(row);
      if (row.type === 'health') this.#logHealth(row);
    });
  }

  async #attempt(work: (folder: string) => Promise<void>): Promise<void> {
    if (this.#folder === null) return;
    try {
      await work(this.#folder);
    } catch (error) {
      this.#folder = null;
      const writer = this.#writer;
      this.#writer = null;
      await writer?.close().catch(() => {});
      this.#warn(
        `TensorBoard's event file cannot be written (${reasonOf(error)}); the run continues without it`,
      );
    }
  }

  /** Opens the event file. Throws if another run took over the folder while weights and data were loaded. */
  async #open(folder: string): Promise<EventWriter> {
    if (logOf(folder) !== this.#log) throw new Error('the run folder was moved, deleted or replaced');
    return await openWriter(folder, this.#firstStep);
  }

  #logStep(row: StepRow): void {
    this.#scalars(row.step, {
      'train/loss': row.loss,
      'train/accuracy': row.accuracy,
      'train/lr': row.lr,
      'train/gradient norm': row.gradNorm,
      'logits/min': row.min,
      'logits/mean': row.mean,
      'logits/max': row.max,
      'learnable/t_e': row.t_e,
      'learnable/t_h': row.t_h,
      'learnable/hyp_c': row.hyp_c,
      'scaler/scale': row.scale,
      'speed/images per second': row.imagesPerSecond,
      'speed/data-loading wait (ms)': row.waitMs,
    });
  }

  #logEvaluation({ step, spaces, spread }: EvaluationRow): void {
    if (spread)
      this.#scalars(step, { 'spread/alignment': spread.alignment, 'spread/uniformity': spread.uniformity });
    for (const [space, { at, strict }] of Object.entries(spaces)) {
      const recalls = Object.entries(at).map(([k, value]) => [`recall/${space}@${k}`, value]);
      const strictly = strict.map((value, level) => [`strict recall/${space}@1, ${levelUp(level)}`, value]);
      this.#scalars(step, Object.fromEntries([...recalls, ...strictly]));
    }
  }

  #logHealth({ step, radius, atRim, saturated }: HealthRow): void {
    const { histogram } = radius;
    const total = histogram.reduce((sum, count) => sum + count, 0);
    const share = Math.min(1, maxRadii / total);
    const centers = histogram.flatMap((count, bin) =>
      Array<number>(Math.ceil(count * share)).fill((bin + 0.5) / histogram.length),
    );
    if (histogram.length > 0)
      this.#writer?.histogram('health/radius', centers, step, { buckets: histogram.length });
    this.#scalars(step, { 'health/at the boundary': atRim, 'health/saturated distances': saturated });
  }

  #scalars(step: number, values: Readonly<Record<string, number | undefined>>): void {
    for (const [tag, value] of Object.entries(values)) {
      if (value !== undefined && !Number.isNaN(value)) this.#writer?.scalar(tag, value, step);
    }
  }
}

/** Returns the key of a run's log, see `fileKey`; null if the log does not exist. */
function logOf(folder: string): string | null {
  const found = lstatSync(join(folder, 'metrics.jsonl'), { throwIfNoEntry: false, bigint: true });
  return found === undefined ? null : fileKey(found);
}

/**
 * Opens a new event file; the first one of a run starts with its options.
 * @param firstStep - first step of this session; TensorBoard ignores events of this and later steps in earlier files
 */
async function openWriter(folder: string, firstStep: number): Promise<EventWriter> {
  const before = (await readdir(folder)).some((name) => name.startsWith('events.out.tfevents.'));
  if (before) return await EventWriter.open(folder, { purgeStep: firstStep });
  const values = await hyperParameters(folder);
  const writer = await EventWriter.open(folder);
  writer.hparams(values);
  return writer;
}

async function hyperParameters(folder: string): Promise<Record<string, HyperParameter>> {
  const config = await readConfig(folder);
  const kinds = ['string', 'number', 'boolean'];
  return Object.fromEntries(
    Object.entries(config).map(([key, value]) => [
      key,
      kinds.includes(typeof value)
        ? (value as HyperParameter)
        : value === null
          ? 'none'
          : JSON.stringify(value),
    ]),
  );
}
