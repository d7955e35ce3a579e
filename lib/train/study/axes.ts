import { coded } from '../../errors.ts';
import { type OptionName, optionsWhere } from '../options/options.ts';

/** The values of an option in a study: a list or, for random search, a range. */
export type Axis = { values: string[] } | { low: number; high: number };

/** An option of a run that a study can vary; see {@link axisNames}. */
export type AxisName = OptionName;

/** All options except the folder and the name of a run, which the study sets. */
export const axisNames: readonly AxisName[] = optionsWhere(({ sweepable }) => sweepable ?? true);

/**
 * Parses the values of an option: `0.05,0.1,0.2` is a list, `0.05:0.4` a range to sample from. Commas inside brackets
 * belong to a value, such as `[25,50]` for eval_ep.
 * @throws RangeError `ERR_HOROBALL_CONFIG`
 */
export function parseAxis(name: AxisName, text: string): Axis {
  const range = /^([\d.e+-]+):([\d.e+-]+)$/i.exec(text);
  if (range) return rangeOf(name, text, Number(range[1]), Number(range[2]));
  const values = splitOutsideBrackets(text).map((value) => value.trim());
  if (values.some((value) => value === ''))
    throw refused(name, 'comma-separated values without empty ones', text);
  return { values: [...new Set(values)] };
}

/**
 * Splits at commas outside brackets. Scans from the right: a comma is inside brackets if the next bracket to its right is a
 * closing one.
 */
function splitOutsideBrackets(text: string): string[] {
  const parts: string[] = [];
  let [end, isInside] = [text.length, false];
  for (let at = text.length - 1; at >= 0; at--) {
    const char = text[at]!;
    if (/[[\]()]/.test(char)) isInside = char === ']' || char === ')';
    if (char !== ',' || isInside) continue;
    parts.push(text.slice(at + 1, end));
    end = at;
  }
  parts.push(text.slice(0, end));
  return parts.reverse();
}

function rangeOf(name: AxisName, text: string, low: number, high: number): Axis {
  if (low > 0 && high > low) return { low, high };
  throw refused(name, 'a range low:high with 0 < low < high', text);
}

export function refused(name: string, expected: string, got: string): RangeError {
  return coded('ERR_HOROBALL_CONFIG', `[sweep] ${name}: expected ${expected}, got '${got}'`, RangeError);
}
