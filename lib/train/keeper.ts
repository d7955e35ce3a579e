import { copyFile, link, rename, rm } from 'node:fs/promises';
import { bestName, Checkpoint, lastName, type Position } from './checkpoint.ts';
import type { RunConfig } from './config.ts';
import type { Learner } from './learner.ts';
import type { RunFolder } from './run-folder.ts';

/** Where a run is, as its journal knows it. */
export interface Whereabouts {
  /** The latest step ended with an evaluation. */
  readonly evaluated: boolean;
  position(complete: boolean): Promise<Position>;
}

/** Keeps a run's last checkpoint, and that of its best evaluation. */
export class Keeper {
  readonly #config: RunConfig;
  readonly #learner: Learner;
  readonly #folder: RunFolder | null;
  #savedAt = performance.now();

  constructor(config: RunConfig, learner: Learner, folder: RunFolder | null) {
    this.#config = config;
    this.#learner = learner;
    this.#folder = config.save_every === null ? null : folder;
  }

  /** After a step: writes a checkpoint where it is time for one, or the step ended with an evaluation. */
  async step(run: Whereabouts): Promise<void> {
    const { save_every: every } = this.#config;
    const waited = (performance.now() - this.#savedAt) / 1000;
    if (run.evaluated || waited >= (every ?? Number.POSITIVE_INFINITY)) await this.save(run, false);
  }

  /** @param complete - there is nothing left to go on with */
  async save(run: Whereabouts, complete: boolean): Promise<void> {
    if (this.#folder === null) return;
    const position = await run.position(complete);
    if (position.step === 0) return; // what comes before the first step is done again
    const checkpoint = await Checkpoint.capture(this.#learner, this.#config, position);
    await checkpoint.write(this.#folder.file(lastName));
    if (position.best?.step === position.step) await keepBest(this.#folder);
    this.#savedAt = performance.now();
  }

  /** A kill between the two files leaves the best one behind; this mends it. */
  async resume({ step, best }: Position): Promise<void> {
    if (this.#folder !== null && best?.step === step) await keepBest(this.#folder);
  }
}

/** The best checkpoint is the last one under a second name, which stays when the last one is replaced. */
async function keepBest(folder: RunFolder): Promise<void> {
  const [last, best, temporary] = [lastName, bestName, `.${bestName}.tmp`].map((name) =>
    folder.file(name),
  ) as [string, string, string];
  await rm(temporary, { force: true });
  await link(last, temporary).catch(() => copyFile(last, temporary)); // not every file system has links
  await rename(temporary, best);
  await rm(temporary, { force: true }); // a rename onto a link of the same file leaves it
}
