import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EventWriter, type HyperParameter } from '../io/events.ts';
import type { EvaluationRow, HealthRow, Row, Snapshot, StepRow } from './record.ts';
import { diskPng, galleryJpeg } from './report/raster.ts';

/**
 * A run's TensorBoard events, beside its metrics.jsonl and with the same numbers: `tensorboard --logdir runs` shows
 * all runs under the names of their folders. A run that goes on after a break says from which step on it writes again.
 */
export class RunEvents {
  readonly #writer: EventWriter;
  #step = 0;

  private constructor(writer: EventWriter) {
    this.#writer = writer;
  }

  /** @param folder - the run folder, with its config.json @param step - of the first row that will be written */
  static async open(folder: string, step: number): Promise<RunEvents> {
    const before = (await readdir(folder)).some((name) => name.startsWith('events.out.tfevents.'));
    const values = before ? null : await hyperParameters(folder);
    const writer = await EventWriter.open(folder, before ? { purgeStep: step } : {});
    if (values !== null) writer.hparams(values);
    return new RunEvents(writer);
  }

  log(row: Row): void {
    this.#step = row.step;
    if (row.type === 'step') this.#logStep(row);
    if (row.type === 'evaluation') this.#logEvaluation(row);
    if (row.type === 'health') this.#logHealth(row);
  }

  /** Hands what was logged to the operating system. */
  flush(): Promise<void> {
    return this.#writer.flush();
  }

  /** What the report draws, as pictures. */
  async draw(snapshot: Snapshot): Promise<void> {
    this.#writer.image('disk', await diskPng(snapshot), this.#step);
    const gallery = await galleryJpeg(snapshot);
    if (gallery) this.#writer.image('nearest neighbours', gallery, this.#step);
  }

  /** Ends the session and closes the file. */
  async end(status: 'success' | 'failure'): Promise<void> {
    this.#writer.endSession(status);
    await this.#writer.close();
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
      'learnt/t_e': row.t_e,
      'learnt/t_h': row.t_h,
      'learnt/hyp_c': row.hyp_c,
      'scaler/scale': row.scale,
      'speed/pictures per second': row.imagesPerSecond,
      'speed/wait for pictures (ms)': row.waitMs,
    });
  }

  #logEvaluation({ step, spaces, spread }: EvaluationRow): void {
    if (spread)
      this.#scalars(step, { 'spread/alignment': spread.alignment, 'spread/uniformity': spread.uniformity });
    for (const [space, { at, strict }] of Object.entries(spaces)) {
      const recalls = Object.entries(at).map(([k, value]) => [`recall/${space}@${k}`, value]);
      const strictly = strict.map((value, level) => [`strict/${space} ${level + 1} up`, value]);
      this.#scalars(step, Object.fromEntries([...recalls, ...strictly]));
    }
  }

  #logHealth({ step, radius, atRim, saturated }: HealthRow): void {
    const { histogram } = radius;
    const centres = histogram.flatMap((count, bin) =>
      Array<number>(count).fill((bin + 0.5) / histogram.length),
    );
    this.#writer.histogram('health/radius', centres, step, { buckets: histogram.length });
    this.#scalars(step, { 'health/at the rim': atRim, 'health/saturated distances': saturated });
  }

  #scalars(step: number, values: Readonly<Record<string, number | undefined>>): void {
    for (const [tag, value] of Object.entries(values)) {
      if (value !== undefined) this.#writer.scalar(tag, value, step);
    }
  }
}

async function hyperParameters(folder: string): Promise<Record<string, HyperParameter>> {
  const config = JSON.parse(await readFile(join(folder, 'config.json'), 'utf8')) as Record<string, unknown>;
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
