import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isCheckout, machine, root } from './machine.ts';
import { page } from './page.ts';
import type { PeerWorker } from './peers/client.ts';
import { type Results, toCsv } from './rows.ts';
import { table } from './table.ts';

/** How a program is told where its results go. */
export const outputOptions = {
  json: { type: 'boolean', default: false },
  out: { type: 'string', default: (isCheckout ? join(root, 'bench', 'rows') : 'horoball-bench') as string },
} as const;

/** What the results of a run depend on; `peers` are the Python process or the reason that there is none. */
export function origin(threads: number, peers: PeerWorker | string): Record<string, string> {
  const { name, commit, date, node } = machine();
  const versions = typeof peers === 'string' ? peers : Object.entries(peers.versions).flat().join(' ');
  return { machine: name, commit, date, node, threads: String(threads), peers: versions };
}

/** The files of a run's results. A run that measures something else, or a part, has a word for it in their name. */
export class Output {
  readonly #folder: string;
  readonly #kind: readonly string[];
  readonly #json: boolean;

  /** @param kind - words for the name; empty ones are left out */
  constructor({ out, json }: { out: string; json: boolean }, kind: readonly string[]) {
    this.#folder = out;
    this.#kind = kind.map((word) => word.replace(/[^a-z0-9]+/gi, '-')).filter(Boolean);
    this.#json = json;
  }

  /** Writes the rows and their page. */
  async save(results: Results): Promise<void> {
    await mkdir(this.#folder, { recursive: true });
    await writeFile(this.#file(results, 'csv'), toCsv(results));
    await writeFile(this.#file(results, 'html'), page(results));
  }

  /** Prints the table and the files' names; with `--json` a line a row on stdout and the table on stderr. */
  print(results: Results): void {
    const people = this.#json ? process.stderr : process.stdout;
    people.write(`${table(results.rows)}\n${this.#file(results, 'csv')}\n${this.#file(results, 'html')}\n`);
    if (!this.#json) return;
    for (const row of results.rows) process.stdout.write(`${JSON.stringify({ ...results.about, ...row })}\n`);
  }

  #file({ about }: Results, ending: string): string {
    return join(this.#folder, `${[about['machine'], about['commit'], ...this.#kind].join('-')}.${ending}`);
  }
}
