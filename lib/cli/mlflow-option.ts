import { Option } from 'commander';
import { coded } from '../errors.ts';

export function mlflowOption(): Option {
  const text = 'log the run to the MLflow tracking server at this URL';
  return new Option('--mlflow <url>', text);
}

/**
 * Returns the URL of the requested server; null if the option is not given.
 * @param command - the command's name, for errors
 */
export function mlflowServer(command: string, given: unknown): string | null {
  if (given === undefined) return null;
  if (/^https?:\/\//.test(String(given)) && URL.canParse(String(given))) return String(given);
  throw coded(
    'ERR_HOROBALL_OPTION',
    `[${command}] mlflow: expected a URL with http or https, got '${String(given)}'`,
    RangeError,
  );
}
