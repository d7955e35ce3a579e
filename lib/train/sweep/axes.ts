import { coded } from '../../errors.ts';
import { fields, type RunConfig } from '../config.ts';

/** The values of one option that a study tries: a list, or (for a random search) a range. */
export type Axis = { values: string[] } | { low: number; high: number };

/** An option of a run that a study can vary; the folder and the name of each run are the study's own. */
export type AxisName = Exclude<keyof RunConfig, 'runs' | 'name'>;

export const axisNames: AxisName[] = (Object.keys(fields) as (keyof RunConfig)[]).filter(
  (key): key is AxisName => key !== 'runs' && key !== 'name',
);

/**
 * Reads an option of a study: `0.05,0.1,0.2` is a list, `0.05:0.4` a range to draw from. Commas inside brackets belong to
 * a value, so that `[25,50]` (epochs to evaluate) is one.
 * @throws RangeError `ERR_HOROBALL_CONFIG`
 */
export function parseAxis(name: AxisName, text: string): Axis {
  const range = /^([\d.e+-]+):([\d.e+-]+)$/i.exec(text);
  if (range) return rangeOf(name, text, Number(range[1]), Number(range[2]));
  const values = text.split(/,(?![^[(]*[\])])/).map((value) => value.trim());
  if (values.some((value) => value === '')) throw refused(name, 'values between commas', text);
  return { values: [...new Set(values)] };
}

function rangeOf(name: AxisName, text: string, low: number, high: number): Axis {
  if (low > 0 && high > low) return { low, high };
  throw refused(name, 'a range low:high with 0 < low < high', text);
}

/** The error of an option that cannot be used as it stands. */
export function refused(name: string, expected: string, got: string): RangeError {
  return coded('ERR_HOROBALL_CONFIG', `[sweep] ${name}: expected ${expected}, got '${got}'`, RangeError);
}
