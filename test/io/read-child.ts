// Reads one file with a reader in a separate process, and prints the outcome, the CPU time and the memory.
import { peakMegabytes } from '../peak-memory.ts';
import { readers } from './readers.ts';

export interface Ending {
  code: string;
  message: string;
  /** CPU time of all threads, in milliseconds. */
  cpu: number;
  /** Peak resident set size of the process, in MB. */
  memory: number;
}

const [reader = '', path = ''] = process.argv.slice(2);
const before = process.cpuUsage();
const error = await readers[reader]!(path).then(
  () => null,
  (reason: Error & { code?: string }) => reason,
);
const { user, system } = process.cpuUsage(before);
const ending: Ending = {
  code: error === null ? 'read' : (error.code ?? error.name),
  message: error?.message ?? '',
  cpu: (user + system) / 1000,
  memory: peakMegabytes(),
};
process.stdout.write(JSON.stringify(ending));
