import type { z } from 'zod';
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
  const { path, message } = result.error.issues[0]!;
  const place = path.length === 0 ? 'its content' : path.join('.');
  throw damaged(file, `${place}: ${message.replace(/^Invalid input: /, '')}`);
}
