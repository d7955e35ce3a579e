import type { Snapshot } from '../measure/types.ts';
import type { RunConfig } from '../options/options.ts';
import type { RunEnd, RunListener } from '../run/hooks.ts';
import { readRun } from '../run/read.ts';
import type { EvaluationRow, HealthRow, Row, RunRecord, StepRow } from '../run/record.ts';
import { maxRows, shortened } from './shortened.ts';

/** The run in progress that a live page shows. */
export interface LiveRun extends RunRecord {
  /** Number of steps of the run; null if unknown. */
  steps: number | null;
  status: 'starting' | 'training' | 'finished' | 'stopped' | 'failed';
  /** Path of the run folder; null before the run starts, or if nothing is stored. */
  folder: string | null;
  /** Recent warnings, for example about unreadable images. */
  notes: string[];
}

/** The parts of a live page, which change at different times. */
export type Topic = 'status' | 'curves' | 'health' | 'images';

type Listener = (topics: readonly Topic[]) => void;

const maxNotes = 5;

const statusOf = {
  complete: 'finished',
  interrupted: 'stopped',
  failed: 'failed',
} as const satisfies Record<RunEnd, LiveRun['status']>;

/** Collects the state of a run, and reports which parts of the page have changed. */
export class LiveState implements RunListener {
  readonly run: LiveRun;
  #listener: Listener = () => {};
  /** Number of rows at which they are shortened. */
  #limit: number = 2 * maxRows;

  constructor(config: RunConfig) {
    const name = config.name ?? `${config.ds}, ${config.geometry}`;
    const run = { name, config, rows: [], snapshot: null, steps: null, folder: null };
    this.run = { ...run, status: 'starting', notes: [] };
  }

  onChange(listener: Listener): void {
    this.#listener = listener;
  }

  onStore(folder: string | null): void {
    this.run.folder = folder;
    this.#listener(['status']);
  }

  /** Loads the history of a resumed run in the background. */
  onResume(folder: string, step: number): void {
    this.#load(folder, step).catch((error: Error) =>
      this.onWarning(`the history of the run cannot be shown: ${error.message}`),
    );
  }

  onStep(row: StepRow, steps: number | null): void {
    this.run.steps = steps;
    this.run.status = 'training';
    this.#add(row, ['status', 'curves']);
  }

  onEvaluation(row: EvaluationRow): void {
    this.#add(row, ['status', 'curves']);
  }

  onHealth(row: HealthRow): void {
    this.#add(row, ['health']);
  }

  onSnapshot(snapshot: Snapshot): void {
    this.run.snapshot = snapshot;
    this.#listener(['images']);
  }

  onWarning(text: string): void {
    this.run.notes = [...this.run.notes, text].slice(-maxNotes);
    this.#listener(['status']);
  }

  onEnd(end: RunEnd): void {
    this.run.status = statusOf[end];
    this.#listener(['status']);
  }

  async #load(folder: string, step: number): Promise<void> {
    const { name, rows, snapshot } = await readRun(folder);
    this.#setRows([...rows.filter((row) => row.step <= step), ...this.run.rows]);
    // An evaluation may have finished in the meantime.
    Object.assign(this.run, { name, snapshot: this.run.snapshot ?? snapshot });
    this.#listener(['status', 'curves', 'health', 'images']);
  }

  #add(row: Row, topics: readonly Topic[]): void {
    this.run.rows.push(row);
    if (this.run.rows.length >= this.#limit) this.#setRows(this.run.rows);
    this.#listener(topics);
  }

  #setRows(rows: readonly Row[]): void {
    this.run.rows = shortened(rows);
    this.#limit = Math.max(2 * maxRows, 2 * this.run.rows.length);
  }
}
