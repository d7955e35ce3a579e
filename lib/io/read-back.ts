import type { z } from 'zod';
import { printable } from '../errors.ts';
import { damaged } from './json.ts';

/**
 * Makes zod stop at the first problem. This is an internal option, which `z.validate` also sets; the version of zod is
 * pinned, and a test checks the effect.
 */
const firstOnly: object = { abortEarly: true };

/**
 * Validates a value and stops at the first problem: describing a million invalid values would take gigabytes.
 */
export function parsedBy<T>(schema: z.ZodType<T>, value: unknown): z.ZodSafeParseResult<T> {
  return schema.safeParse(value, firstOnly);
}

/**
 * Validates the contents of a file that horoball wrote. Unknown keys are kept if the schema is a `z.looseObject`.
 * @throws `ERR_HOROBALL_FORMAT` naming the file and the invalid field
 */
export function checkedBy<T>(schema: z.ZodType<T>, value: unknown, file: string): T {
  const result = parsedBy(schema, value);
  if (result.success) return result.data;
  throw damaged(file, problemOf(result.error));
}

/** Maximum length of the description of a problem: it can contain names in the file, which have any length. */
const maxProblem = 200;

/**
 * Describes the first problem in a value: its path, and Zod's message in the words of other errors. Control characters are
 * escaped, because a description is not only part of error messages.
 */
export function problemOf({ issues }: z.ZodError): string {
  const { path, message } = issues[0]!;
  const words = message
    .replace(/^Invalid input: /, '')
    .replace(', received undefined', ', got nothing')
    .replace(', received ', ', got ');
  const text = path.length === 0 ? words : `${path.join('.')}: ${words}`;
  return printable(text.length > maxProblem ? `${text.slice(0, maxProblem)}...` : text);
}
