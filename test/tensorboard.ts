import { spawnSync } from 'node:child_process';

/** What TensorBoard's own reader found under a tag. */
export interface Found {
  plugin: string;
  events: { step: number; time: number; shape: number[]; data: (number | string)[] }[];
  hparams?: Record<string, unknown>;
  group?: string;
  status?: number;
}

/** What TensorBoard's own reader finds in a folder by tag; a sentence where python3 has no TensorBoard. */
export function readEvents(folder: string): Record<string, Found> | string {
  const result = spawnSync('python3', ['test/fixtures/read_events.py', folder], {
    encoding: 'utf8',
    timeout: 120_000,
    maxBuffer: 2 ** 26,
  });
  if (result.error !== undefined) return result.error.message;
  if (result.status === 77) return result.stdout.trim();
  if (result.status !== 0) throw new Error(result.stderr);
  return JSON.parse(result.stdout) as Record<string, Found>;
}
