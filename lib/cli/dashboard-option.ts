import { Option } from 'commander';
import { coded } from '../errors.ts';
import { defaultPort } from '../train/dashboard/local-server.ts';

export function dashboardOption(): Option {
  const text = 'serve a live page of the run at http://127.0.0.1:<port>/; 0 picks a free port';
  const option = new Option('--dashboard [port]', text).preset(String(defaultPort));
  return option.default(undefined, `off; ${defaultPort} if the port is omitted`);
}

/**
 * Returns the requested port; null if no live page was requested.
 * @param argument - the option, for errors
 */
export function dashboardPort(argument: string, given: unknown): number | null {
  if (given === undefined) return null;
  if (/^\d{1,5}$/.test(String(given)) && Number(given) < 65_536) return Number(given);
  const message = `${argument}: expected a port from 0 to 65535, got '${String(given)}'`;
  throw coded('ERR_HOROBALL_OPTION', message, RangeError);
}
