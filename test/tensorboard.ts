import type { ExecutionContext } from 'ava';
import { python } from './python.ts';

/** What TensorBoard's own reader found under a tag. */
export interface Found {
  plugin: string;
  events: { step: number; time: number; shape: number[]; data: (number | string)[] }[];
  hparams?: Record<string, unknown>;
  group?: string;
  status?: number;
}

/** What TensorBoard's own reader finds in a folder by tag; null, said aloud, where there is no TensorBoard. */
export function readEvents(t: ExecutionContext, folder: string): Record<string, Found> | null {
  const printed = python(t, 'TensorBoard', 'read_events.py', folder);
  return printed === null ? null : (JSON.parse(printed) as Record<string, Found>);
}
