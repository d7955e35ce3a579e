import { at, type Mutant } from './mutant.ts';

/** Faults in clamps and checks of the folders of lib that the other lists do not cover. */
export const folderMutants: readonly Mutant[] = [
  // The core's functions.
  ...at('lib/check.ts', 'row/operation check', [
    "  if (!Number.isFinite(value)) throw rangeError(operation, argument, 'a finite number', value);\n",
    '',
  ]),
  ...at(
    'lib/matrix.ts',
    'matrix',
    ["  if (!(cols > 0)) throw shapeError('matrix', 'data', 'at least one row of numbers', 'none');\n", ''],
    ['if (length !== cols) throw', 'if (Number(length) < cols) throw'],
    ['if (data.length !== rows * cols) throw', 'if (data.length < rows * cols) throw'],
    ['if (want !== got) throw', 'if (false) throw'],
  ),
  ...at('lib/views.ts', 'loss-limits', ['  if (count < 2) throw', '  if (count < 1) throw']),
  ...at(
    'lib/delta.ts',
    'delta',
    ['largest = Math.max(largest, data[at]!)', 'largest = data[at]!'],
    ['if (!Number.isFinite(data[at])) throw', 'if (false) throw'],
    ['if (given && x.rows !== x.cols) throw', 'if (false) throw'],
  ),
  ...at(
    'lib/topk.ts',
    'topk',
    ["  if (rows === 0) throw shapeError(operation, 'gallery', 'at least one row', 'none');\n", ''],
    ['if (queries !== rows)', 'if (queries > rows)'],
    ['if (allowed.length !== rows) {', 'if (allowed.length > rows) {'],
    ['least: -1, most: rows - 1, length: queries', 'least: -1, most: rows, length: queries'],
    ['most: rows - 1, length: queries', 'most: rows - 1'],
  ),
  ...at(
    'lib/rerank.ts',
    'rerank',
    ['row >= 0 && (', '('],
    ['(count === 0 || row !== rows[count - 1])', 'true'],
    ['k: Math.min(k, rows.length)', 'k'],
    ['    if (rows.length === 0) continue;\n', ''],
    ['Math.max(1, most)', 'most'],
    ['if (at >= 0) indices[i', 'indices[i'],
    ['if (length !== queries)', 'if (length > queries)'],
    ['if (!Number.isInteger(each))', 'if (false)'],
    ['{ least: -1, most: rows - 1 }', '{ least: -1, most: rows }'],
  ),
  ...at(
    'lib/gallery/probe.ts',
    'gallery/probe gallery/lists',
    ['k: Math.min(k, covered)', 'k'],
    ['k: Math.min(k, rest.rows)', 'k'],
    ['list[i]! >= begin && list[i]! < end', 'list[i]! >= begin'],
    ['if (added.indices[i]! >= 0) added', 'added'],
    ['first === second && a.indices[i]! < b.indices[j]!', 'false'],
    ['  if (b.indices[j]! < 0) return true;\n', ''],
    ['  if (a.indices[i]! < 0) return false;\n', ''],
    ['j === lastB || (i < lastA && isBefore', '(i < lastA && isBefore'],
  ),
  ...at(
    'lib/gallery/batch.ts',
    'gallery/batch',
    ['1 - roundingError(queries)', '1'],
    ['last(i) > nearest && ', ''],
    ['last(i) < farthest', 'true'],
    ['Math.abs(value) < largest', 'true'],
    ['exclude?.map((row) => places.get(row) ?? -1)', 'undefined'],
    ['starts[list + 1]! - starts[list]!', '1'],
  ),
  ...at('lib/gallery/gallery.ts', 'gallery/gallery', ['    if (this.#closed)\n', '    if (false)\n']),
  // Images and layers.
  ...at('lib/image/bmp.ts', 'image/decode', ['Math.max(0, Math.min(count, width - x))', 'count']),
  ...at('lib/image/transforms.ts', 'image/transforms', [
    'ratio > high ? Math.max(1, ',
    'ratio > high ? Math.max(0, ',
  ]),
  ...at('lib/layers/array-adamw.ts', 'layers/array-adamw', [
    'if (data.length !== to.length) throw',
    'if (data.length < to.length) throw',
  ]),
  ...at('lib/tree/graph.ts', 'tree/embed-tree', [
    "    if (u === v) throw rangeError(name, argument, 'two different nodes', quoted(u));\n",
    '',
  ]),
  ...at('lib/tree/kernel.ts', 'tree/embed-tree', ['Math.min(rate * norm, maxStep)', 'rate * norm']),
  // Networks.
  ...at('lib/model/vit.ts', 'train/lane/vit-json', [
    'if (embedDim % numHeads !== 0) throw',
    'if (false) throw',
  ]),
  ...at('lib/onnx/storage.ts', 'onnx/storage', [
    'Math.max(scales[channel]!, Math.abs(values[i]!))',
    'Math.abs(values[i]!)',
  ]),
  ...at('lib/io/checksums.ts', 'io/checksums', ['Math.min(part, end - at)', 'part']),
  ...at('lib/embed/source.ts', 'embed/embedder embed/transformers', [
    'if (!present.includes(storage)) throw',
    'if (false) throw',
  ]),
  // Training and reports.
  ...at('lib/train/data/emoji/make.ts', 'train/data/emoji/make', [
    'if (size < 16 || size > 1024) throw',
    'if (size < 16) throw',
  ]),
  ...at('lib/train/distributed/environment.ts', 'train/distributed/environment', [
    'Math.max(localSize, localRank + 1)',
    'localSize',
  ]),
  ...at('lib/train/lane/ema.ts', 'train/lane/ema', ['Math.min(decay, (1 + step) / (10 + step))', 'decay']),
  ...at('lib/train/lane/cached.ts', 'train/lane/cached', [
    'count: Math.min(this.#size, count - first)',
    'count: this.#size',
  ]),
  ...at('lib/train/measure/health.ts', 'train/measure/health', [
    'Math.min(radiusBins - 1, Math.floor(radius * radiusBins))',
    'Math.floor(radius * radiusBins)',
  ]),
  ...at('lib/train/measure/closed-forms.ts', 'train/measure/closed-forms', [
    'Math.max(0, 4 / (slope * slope) - a * a)',
    '4 / (slope * slope) - a * a',
  ]),
  ...at('lib/train/options/resolve.ts', 'train/options/resolve', [
    '  if (result?.success) return result.data;\n',
    '  return result?.success ? result.data : value;\n',
  ]),
  ...at(
    'lib/train/weights/interpolate.ts',
    'train/weights/interpolate',
    ['Math.max(Math.trunc(center - support + 0.5), 0)', 'Math.trunc(center - support + 0.5)'],
    ['const stretch = Math.max(scale, 1);', 'const stretch = scale;'],
  ),
  ...at('lib/train/weights/download.ts', 'train/weights/download', [
    'status === 429 || status >= 500',
    'status >= 500',
  ]),
  ...at(
    'lib/train/report/tables.ts',
    'train/report/tables',
    ['Math.min(1, Math.max(0, orZero(value / highest)))', 'Math.max(0, orZero(value / highest))'],
    ['Number.isNaN(value) ? 0 : value', 'false ? 0 : value'],
  ),
  ...at(
    'lib/train/report/charts/chart.ts',
    'train/report/charts/chart',
    ['Math.max(0, i - half)', 'i - half'],
    ['Math.max(1, Math.round(count / 20))', 'Math.round(count / 20)'],
  ),
  ...at('lib/train/report/charts/disk.ts', 'train/report/charts/disk', [
    'Math.min(maxMagnified, 0.94 / farthest)',
    '0.94 / farthest',
  ]),
  ...at('lib/train/report/run/contrast.ts', 'train/report/run/contrast', [
    '(Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05)',
    '(one + 0.05) / (other + 0.05)',
  ]),
  ...at('lib/train/report/study/study.ts', 'train/report/study/study', [
    'best === null\n        ? null',
    'best === null && false\n        ? null',
  ]),
  ...at('lib/cli/meter.ts', 'cli/meter', [
    'Math.round(Math.min(1, Math.max(0, share)) * width)',
    'Math.round(share * width)',
  ]),
];
