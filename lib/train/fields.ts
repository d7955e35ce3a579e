import { z } from 'zod';

/** What an option accepts, in words, and what it is for. `--help` and every error are made from these. */
export interface Field {
  readonly schema: z.ZodType;
  /** Continues "expected ...". */
  readonly expected: string;
  readonly help: string;
}

const isText = (value: unknown): value is string => typeof value === 'string';

/** Command lines carry text: '0.05' is a number. */
const numberText = (value: unknown): unknown =>
  isText(value) && value.trim() !== '' ? Number(value.replace(/_/g, '')) : value;

/** 'None', as Python writes it, is null. */
export const orNull = (value: unknown): unknown =>
  isText(value) && /^(none|null)$/i.test(value) ? null : value;

export const text = (expected: string, help: string): Field => ({
  schema: z.string().min(1),
  expected,
  help,
});

/** Text that `accepts` takes. */
export const shaped = (accepts: (value: string) => boolean, expected: string, help: string): Field => ({
  schema: z.string().refine(accepts),
  expected,
  help,
});

export const oneOf = (names: [string, ...string[]], help: string): Field => ({
  schema: z.enum(names),
  expected: alternatives(names.map((name) => `'${name}'`)),
  help,
});

const alternatives = (names: readonly string[]): string =>
  `${names.slice(0, -1).join(', ')} or ${names.at(-1)}`;

/** Some of the names, once each, with commas between them. */
export const listOf = (names: readonly string[], help: string): Field =>
  shaped(
    (value) => {
      const given = value.split(',').map((name) => name.trim());
      return given.every((name) => names.includes(name)) && new Set(given).size === given.length;
    },
    `some of ${names.join(', ')} with commas between them`,
    help,
  );

export const flag = (help: string): Field => ({ schema: z.boolean(), expected: 'true or false', help });

const numeric = (schema: z.ZodType, expected: string, help: string): Field => ({
  schema: z.preprocess(numberText, schema),
  expected,
  help,
});

export const count = (least: number, help: string): Field =>
  numeric(z.int().min(least), `a whole number of at least ${least}`, help);
export const positive = (help: string): Field => numeric(z.number().positive(), 'a number above 0', help);
export const atLeast0 = (help: string): Field => numeric(z.number().min(0), 'a number of at least 0', help);
export const above1 = (help: string): Field => numeric(z.number().gt(1), 'a number above 1', help);
export const below1 = (help: string): Field =>
  numeric(z.number().min(0).lt(1), 'a number of at least 0 and below 1', help);
export const upTo1 = (help: string): Field =>
  numeric(z.number().positive().max(1), 'a number above 0 and at most 1', help);

export const orNone = (field: Field): Field => ({
  schema: z.preprocess(orNull, z.union([z.null(), field.schema])),
  expected: `${field.expected}, or None`,
  help: field.help,
});
