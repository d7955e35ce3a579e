import type { z } from 'zod';
import { damaged } from './json.ts';

/**
 * Validates the contents of a file that horoball wrote. Unknown keys are kept.
 * @throws `ERR_HOROBALL_FORMAT` naming the file and the invalid field
 */
export function checkedBy<T>(schema: z.ZodType<T>, value: unknown, file: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const { path, message } = result.error.issues[0]!;
  const place = path.length === 0 ? 'its content' : path.join('.');
  throw damaged(file, `${place}: ${message.replace(/^Invalid input: /, '')}`);
}
