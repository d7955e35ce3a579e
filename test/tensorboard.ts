import type { ExecutionContext } from 'ava';
import { python } from './python.ts';

/** The data that TensorBoard's reader found for a tag. */
export interface Found {
  plugin: string;
  events: { step: number; time: number; shape: number[]; data: (number | string)[] }[];
  hparams?: Record<string, unknown>;
  group?: string;
  status?: number;
}

/** The data that TensorBoard's reader finds in a folder, by tag; null, with a log line, if TensorBoard is not installed. */
export function readEvents(t: ExecutionContext, folder: string): Record<string, Found> | null {
  const printed = python(t, 'TensorBoard', 'read_events.py', folder);
  return printed === null ? null : (JSON.parse(printed) as Record<string, Found>);
}
