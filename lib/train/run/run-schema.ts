import { z } from 'zod';
import { pause, type Steps } from '../../call/run.ts';
import { containersIn, damaged, parsedJson } from '../../io/json.ts';
import { jsonChecksumAdvice, withoutChecksum } from '../../io/json-checksum.ts';
import { checkedBy, parsedBy, problemOf } from '../../io/read-back.ts';
import type {
  Baseline,
  DepthRow,
  Evaluation,
  Hierarchy,
  HierarchyFit,
  NegativeStrip,
  Ranks,
  Recall,
  Snapshot,
} from '../measure/types.ts';
import { trainedGeometries } from '../options/define.ts';
import type { InvalidLines, Row } from './record.ts';

/** Option of a Zod check: ends the validation of a list at its first invalid value, as a wrong type does; see `parsedBy`. */
const abort = { abort: true };

/**
 * Schema of a number in the files of a run folder. JSON has no NaN, so a number that was not measured is null or absent in
 * the files and NaN in memory; charts, tables and event writers omit it.
 */
const orNaN = (schema: z.ZodNumber) => schema.nullish().transform((value) => value ?? Number.NaN);
const measured = orNaN(z.number());
/** A number from 0 to 1. The tolerance allows for rounding errors of means. */
const share = orNaN(
  z
    .number()
    .min(-1e-6, abort)
    .max(1 + 1e-6, abort),
);
const count = z.int(abort).min(0, abort);
/** Maximum length of a list that a page shows. */
const maxItems = 1000;
/** A name that horoball chooses, as opposed to the names of classes. It is limited, because pages repeat some of them. */
const ownName = z.string().max(1000);
const histogram = z.array(count.max(2 ** 32)).max(maxItems);

/** Values by k. Their number is limited first, because Zod validates all keys of a record, however many are invalid. */
const byK = <T>(value: z.ZodType<T>) =>
  z
    .custom<object>(
      (given) => Object.keys(Object(given)).length <= maxItems,
      `more than ${maxItems} values of k`,
    )
    .pipe(z.record(z.string().regex(/^\d{1,9}$/), value));

const recall = z.looseObject({
  at: byK(share),
  rPrecision: share.exactOptional(),
  mapAtR: share.exactOptional(),
  strict: z.array(share).max(32),
}) satisfies z.ZodType<Recall>;

const spaces = z.looseObject({
  hyperbolic: recall,
  cosine: recall,
  body: recall,
  fused: recall.exactOptional(),
}) satisfies z.ZodType<Evaluation['spaces']>;

const moment = { step: count, epoch: count, seconds: measured };

const stepRow = z.looseObject({
  type: z.literal('step'),
  ...moment,
  loss: measured,
  accuracy: measured,
  min: measured,
  mean: measured,
  max: measured,
  tree: z
    .looseObject({
      levels: measured.exactOptional(),
      cones: measured.exactOptional(),
      radius: measured.exactOptional(),
    })
    .exactOptional(),
  lr: measured,
  gradNorm: measured.exactOptional(),
  scale: measured.exactOptional(),
  skipped: z.literal(true).exactOptional(),
  t_e: measured.exactOptional(),
  t_h: measured.exactOptional(),
  hyp_c: measured.exactOptional(),
  imagesPerSecond: measured,
  waitMs: measured,
});

const evaluationRow = z.looseObject({
  type: z.literal('evaluation'),
  ...moment,
  pictures: count,
  classes: count,
  spaces,
  spread: z.looseObject({ alignment: measured, uniformity: measured }).exactOptional(),
});

const healthRow = z.looseObject({
  type: z.literal('health'),
  ...moment,
  c: measured,
  radius: z.looseObject({ min: measured, mean: measured, max: measured, histogram }),
  atRim: share,
  saturated: share,
  scale: z.number().nullable(),
  skippedSteps: count,
});

const row = z.discriminatedUnion('type', [stepRow, evaluationRow, healthRow]) satisfies z.ZodType<Row>;

/** Only data URIs, because a page must not load anything. */
const dataUri = z.string().regex(/^data:image\/[a-z+.-]+;base64,[\w+/=]*$/, abort);
const thumbnail = z.looseObject({ label: count, thumbnail: dataUri });

const profile = z.looseObject({
  geometry: z.enum(trainedGeometries),
  negatives: count,
  effective: measured,
  hardest1: share,
  hardest10: share,
  sameView: share,
  missed: share,
  byRank: z
    .looseObject({
      hardest: z.array(z.int(abort).min(1, abort)),
      sameView: z.array(measured),
      crossView: z.array(measured),
    })
    .refine(
      ({ hardest, sameView, crossView }) =>
        sameView.length === hardest.length && crossView.length === hardest.length,
    ),
  byCosine: z.looseObject({
    count: z.array(measured),
    weight: z.array(measured),
    pull: z.array(measured).nullable(),
  }),
});

const negatives = z
  .looseObject({
    own: z.enum(trainedGeometries),
    tied: z.boolean(),
    views: z.int().min(1),
    classes: count,
    cosineBins: z.int().min(1).max(1000),
    profiles: z.array(profile),
  })
  .refine(
    ({ own, profiles }) => profiles.some(({ geometry }) => geometry === own),
    "the profile of the run's own loss is missing",
  )
  .refine(
    ({ cosineBins, profiles }) =>
      profiles.every(
        ({ byCosine: { count, pull } }) =>
          count.length === cosineBins && (pull?.length ?? cosineBins) === cosineBins,
      ),
    'the number of bins differs from cosineBins',
  );

const disk = z
  .looseObject({
    c: z.number().positive(),
    points: z.array(z.number().min(-1, abort).max(1, abort)),
    labels: z.array(count),
    explained: z.tuple([share, share]),
  })
  .refine(
    ({ points, labels }) => points.length === 2 * labels.length,
    'the number of points differs from that of labels',
  );

const ranks = z.looseObject({
  spearman: measured,
  overlap: share,
  nearest: count,
}) satisfies z.ZodType<Ranks>;

const depthRow = z.looseObject({
  level: ownName,
  groups: count,
  mean: measured,
  min: measured,
  max: measured,
}) satisfies z.ZodType<DepthRow>;

const hierarchyFit = z.looseObject({
  nearestLca: measured,
  recall: byK(z.array(share).max(32)),
  ndcg: share,
  spearman: measured,
  rankDistortion: measured,
}) satisfies z.ZodType<HierarchyFit>;

const hierarchy = z.looseObject({
  levels: z.array(ownName).max(33),
  spaces: z.looseObject({ hyperbolic: hierarchyFit, cosine: hierarchyFit, body: hierarchyFit }),
  depthRadius: measured,
}) satisfies z.ZodType<Hierarchy>;

const baseline = z.looseObject({ name: ownName, recall }) satisfies z.ZodType<Baseline>;

/** Schema of the baselines in checkpoints and snapshots. */
export const baselinesSchema: z.ZodType<Baseline[]> = z.array(baseline).max(maxItems);

const neighbor = thumbnail.extend({ distance: measured });

const strip = z.looseObject({
  anchor: thumbnail,
  positive: thumbnail,
  hardest: z
    .array(
      z.looseObject({
        geometry: z.enum(trainedGeometries),
        negatives: z.array(thumbnail.extend({ weight: share })).max(maxItems),
      }),
    )
    .max(maxItems),
}) satisfies z.ZodType<NegativeStrip>;

/**
 * Maximum number of images in the gallery and strips of a snapshot, which have a few hundred. A page has a tooltip for
 * each, far longer than an empty image in the file.
 */
const maxImages = 10_000;

const snapshot = z
  .looseObject({
    dataset: ownName,
    epoch: count,
    classes: z.array(z.string()),
    parents: z.array(z.array(z.string())),
    levels: z.array(ownName).max(32).exactOptional(),
    disk,
    gallery: z
      .array(z.looseObject({ query: thumbnail, nearest: z.array(neighbor).max(maxItems) }))
      .max(maxItems),
    baselines: baselinesSchema,
    negatives: negatives.nullable().exactOptional(),
    strips: z.array(strip).max(maxItems).exactOptional(),
    ranks: ranks.nullable().exactOptional(),
    depth: z.array(depthRow).max(maxItems).exactOptional(),
    hierarchy: hierarchy.nullable().exactOptional(),
    /** See {@link identityIn}; absent in runs of earlier versions. */
    log: z.string().exactOptional(),
  })
  .refine((data) => imagesOf(data).length <= maxImages, `more than ${maxImages} images`)
  .refine(labelsAreClasses, 'a label is not the index of a class') satisfies z.ZodType<Snapshot>;

type Shown = Pick<Snapshot, 'classes' | 'disk' | 'gallery' | 'strips'>;

function imagesOf({ gallery, strips = [] }: Shown): { label: number }[] {
  return [
    ...gallery.flatMap(({ query, nearest }) => [query, ...nearest]),
    ...strips.flatMap(({ anchor, positive, hardest }) => [
      anchor,
      positive,
      ...hardest.flatMap(({ negatives }) => negatives),
    ]),
  ];
}

function labelsAreClasses(data: Shown): boolean {
  const { classes, disk } = data;
  return [...disk.labels, ...imagesOf(data).map(({ label }) => label)].every(
    (label) => label < classes.length,
  );
}

/** The valid lines of a log, and a summary of the invalid ones; null if all are valid. */
export interface Lines<T> {
  rows: T[];
  invalid: InvalidLines | null;
}

/**
 * Maximum number of invalid lines that are parsed: describing one takes ten times as long as reading a valid line, and
 * horoball never writes a log with this many.
 */
export const maxInvalid = 1000;

/** Number of lines to parse before the clock is read again; a line takes about 10 µs. */
const linesPerSlice = 32;

/**
 * Parses JSON lines. Invalid lines are skipped and counted, except for a truncated last line (a killed process). After
 * {@link maxInvalid} of them, all further lines count as invalid.
 */
export function* parseLines<T>(text: string, schema: z.ZodType<T>): Steps<Lines<T>> {
  const rows: T[] = [];
  let invalid: InvalidLines | null = null;
  const budget = { containers: freeContainers + Math.floor(text.length / minLength) };
  for (let at = 0, number = 1; at < text.length; number++) {
    const found = text.indexOf('\n', at);
    const end = found < 0 ? text.length : found;
    const isEmpty = end === at;
    const line = text.slice(at, end);
    at = end + 1;
    if (number % linesPerSlice === 0) yield pause;
    if (isEmpty) continue;
    const isRead: boolean = invalid === null || invalid.count < maxInvalid;
    const problem: string | null = isRead ? parseLine(line, schema, rows, budget) : '';
    const isCut = problem === notJson && found < 0;
    if (problem === null || isCut) continue;
    invalid ??= { count: 0, first: `line ${number}: ${problem}` };
    invalid.count++;
  }
  return { rows, invalid };
}

const notJson = 'it is not JSON';
/** Maximum length of a line. A row has a few kilobytes; a megabyte of brackets would take seconds to parse. */
const maxLine = 2 ** 20;

/**
 * A log may have `freeContainers` lists and objects, plus one per `minLength` characters. The number is limited, because
 * unknown keys are kept, and an empty object takes far more memory than its text.
 */
const freeContainers = 2 ** 18;
const minLength = 16;

function parseLine<T>(
  line: string,
  schema: z.ZodType<T>,
  rows: T[],
  budget: { containers: number },
): string | null {
  if (line.length > maxLine) return `it has more than ${maxLine} characters`;
  const containers = containersIn(line);
  if (containers === null) return 'it is nested too deeply';
  if (containers > budget.containers) return 'the file has too many lists and objects';
  budget.containers -= containers;
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return notJson;
  }
  const content = withoutChecksum(value);
  if (content === null) return 'its checksum is wrong';
  const found = parsedBy(schema, content.value);
  if (!found.success) return problemOf(found.error);
  rows.push(found.data);
  return null;
}

/** Parses metrics.jsonl. */
export function parseRows(text: string): Steps<Lines<Row>> {
  return parseLines<Row>(text, row);
}

/**
 * Returns the identity of a run, by which its snapshot is recognized: the checksum of the first line of its log. The line
 * contains times, so it differs between runs, and resuming from a checkpoint never discards it. Null for an empty log, or
 * one without checksums.
 */
export function identityIn(log: string): string | null {
  const end = log.indexOf('\n');
  return /"crc32":"([\da-f]{8})"\}$/.exec(log.slice(Math.max(0, end - 32), Math.max(0, end)))?.[1] ?? null;
}

/**
 * Parses snapshot.json.
 *
 * @param identity - that of the run; null if unknown
 * @throws `ERR_HOROBALL_FORMAT` naming the file and the field, or if the snapshot belongs to another run
 */
export function parseSnapshot(text: string, file: string, identity: string | null = null): Snapshot {
  const content = withoutChecksum(parsedJson(text, file));
  if (content === null) throw damaged(file, jsonChecksumAdvice);
  const { log = identity, ...data } = checkedBy(snapshot, content.value, file);
  if (identity !== null && log !== identity)
    throw damaged(
      file,
      'it belongs to a different run than metrics.jsonl. Restore both from the same backup, or delete it',
    );
  return data;
}

/** Schema of recall in the results of a study. */
export const spacesSchema: z.ZodType<Evaluation['spaces']> = spaces;
