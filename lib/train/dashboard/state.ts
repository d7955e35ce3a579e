import { join } from 'node:path';
import type { RunConfig } from '../config.ts';
import type { TrainHooks } from '../hooks.ts';
import type { Row, RunRecord } from '../record.ts';
import { readRun } from '../run-folder.ts';

/** What a live page shows: a run as far as it has come. */
export interface LiveRun extends RunRecord {
  /** Length of the run; null where only its end tells. */
  steps: number | null;
  status: 'starting' | 'training' | 'finished' | 'stopped' | 'failed';
  /** Path of the run folder; null before the run begins, and where nothing is written. */
  folder: string | null;
  /** The latest that a person should know, such as a picture that could not be read. */
  notes: string[];
}

/** The parts of a page that change at different times. */
export type Topic = 'status' | 'curves' | 'health' | 'pictures';

type Listener = (topics: readonly Topic[]) => void;

const mostNotes = 5;

const both =
  <A extends unknown[]>(one: (...told: A) => void, other?: (...told: A) => void) =>
  (...told: A): void => {
    one(...told);
    other?.(...told);
  };

/** Hears of a run by its hooks, and tells which parts of a page they change. */
export class LiveState {
  readonly run: LiveRun;
  #listener: Listener = () => {};

  constructor(config: RunConfig) {
    const name = config.name ?? `${config.ds}, ${config.geometry}`;
    const run = { name, config, rows: [], snapshot: null, steps: null, folder: null };
    this.run = { ...run, status: 'starting', notes: [] };
  }

  onChange(listener: Listener): void {
    this.#listener = listener;
  }

  /** A caller's hooks, and those that keep this up to date with them. */
  joined(own: TrainHooks): TrainHooks {
    const live = this.#hooks();
    return {
      ...own,
      onBegin: both(live.onBegin, own.onBegin),
      onStep: both(live.onStep, own.onStep),
      onEvaluation: both(live.onEvaluation, own.onEvaluation),
      onHealth: both(live.onHealth, own.onHealth),
      onSnapshot: both(live.onSnapshot, own.onSnapshot),
      onWarning: both(live.onWarning, own.onWarning),
      onResume: (folder, step) => {
        if (folder !== '') this.#lies(folder);
        this.#recall(folder, step).catch((error: Error) =>
          live.onWarning(`its past cannot be shown: ${error.message}`),
        );
        own.onResume?.(folder, step);
      },
    };
  }

  #hooks(): Required<
    Pick<TrainHooks, 'onBegin' | 'onStep' | 'onEvaluation' | 'onHealth' | 'onSnapshot' | 'onWarning'>
  > {
    return {
      onBegin: ({ runs, name }) => {
        if (runs !== null && name !== null) this.#lies(join(runs, name));
      },
      onStep: (row, steps) => {
        this.run.steps = steps;
        this.run.status = 'training';
        this.#add(row, ['status', 'curves']);
      },
      onEvaluation: (row) => this.#add(row, ['status', 'curves']),
      onHealth: (row) => this.#add(row, ['health']),
      onSnapshot: (snapshot) => {
        this.run.snapshot = snapshot;
        this.#listener(['pictures']);
      },
      onWarning: (text) => {
        this.run.notes = [...this.run.notes, text].slice(-mostNotes);
        this.#listener(['status']);
      },
    };
  }

  #lies(folder: string): void {
    this.run.folder = folder;
    this.#listener(['status']);
  }

  /** Takes up what a run that goes on has behind it. */
  async #recall(folder: string, step: number): Promise<void> {
    const { name, rows, snapshot } = await readRun(folder);
    this.run.rows = [...rows.filter((row) => row.step <= step), ...this.run.rows];
    Object.assign(this.run, { name, snapshot });
    this.#listener(['status', 'curves', 'health', 'pictures']);
  }

  end(status: 'finished' | 'stopped' | 'failed'): void {
    this.run.status = status;
    this.#listener(['status']);
  }

  #add(row: Row, topics: readonly Topic[]): void {
    this.run.rows.push(row);
    this.#listener(topics);
  }
}
