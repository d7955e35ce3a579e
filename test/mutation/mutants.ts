import { at, type Mutant } from './mutant.ts';
import { callMutants } from './mutants-calls.ts';
import { folderMutants } from './mutants-folders.ts';
import { formulaMutants } from './mutants-formulas.ts';

/** Faults that no test can find reliably, with the reason. They are not planted. */
export const undetectable: readonly { file: string; text: string; reason: string }[] = [
  {
    file: 'lib/io/lock.ts',
    text: 'if ((await readLockFile(path))?.text !== dead) return false;',
    reason: 'closes a window of microseconds between two competitors for a stale lock',
  },
  {
    file: 'lib/wasm/core.ts',
    text: 'numbers[rowCall.job] = 0;',
    reason: 'the job number has no effect on WebAssembly (before_job in native/wasm/arguments.h)',
  },
  {
    file: 'native/ops/square.h',
    text: 'if (!(largest < HUGE_VAL)) return NAN;',
    reason:
      'an infinite coordinate times 0, the factor without this line, is NaN as well, like every distance of the row',
  },
];

/** Faults in clamps, signs, offsets, limits, and the order of rename and sync. Each must make a test fail. */
export const mutants: readonly Mutant[] = [
  // Files and locks.
  ...at(
    'lib/io/atomic.ts',
    'io/atomic io/npy',
    ['    await file.sync();\n', ''],
    [
      'await atPath(path, rename(temporary, path));\n',
      'await (await import("node:fs/promises")).copyFile(temporary, path);\n',
    ],
    ['      await atPath(last, syncFolder(folder));\n', '      void folder;\n'],
    ['    if (staged.length > 1) await atPath(last, rm(last, { force: true }));\n', ''],
    ['    if (bytesRead === 0) break;\n', '    break;\n'],
  ),
  ...at(
    'lib/io/lock.ts',
    'io/lock train/run/lock',
    ["openSync(file, 'wx')", "openSync(file, 'w')"],
    ['return isActive(holder, found) ? {', 'return !isActive(holder, found) ? {'],
    ['if (!isOnThisKernel(holder, here, writtenMs)) return true;', ''],
    [
      '      if (await this.isHeld()) await rm(this.path, { force: true });',
      '      await rm(this.path, { force: true });',
    ],
  ),
  ...at(
    'lib/io/lock-holder.ts',
    'io/lock train/run/lock',
    ['(began !== undefined && began !== found.began)', '(began !== undefined && began === found.began)'],
    ['return its !== null && !its.ended && its.began === thread.began;', 'return true;'],
    [' || writtenMs < startMs()', ''],
    ['writtenMs < startMs()', 'true'],
  ),
  ...at(
    'lib/io/inside.ts',
    'io/inside io/lock train/run/damage',
    ['if (found !== null && !found.isFile()) throw notRegular(path);', ''],
    ["process.platform === 'win32' ? String(ino)", "process.platform !== '' ? String(ino)"],
  ),
  ...at(
    'lib/io/regular.ts',
    'io/hostile-files',
    ['const maxHoleFactor = 64;', 'const maxHoleFactor = 2 ** 40;'],
    ['  if (!stats.isFile()) {', '  if (stats.isSymbolicLink()) {'],
  ),
  // Readers.
  ...at(
    'lib/io/safetensors.ts',
    'io/safetensors io/hostile-files train/run/flipped-bits',
    ['if (begin < at) throw', 'if (begin < at - 1) throw'],
    ['if (begin > at) throw', 'if (begin > at + 1e9) throw'],
    ['  if (at !== dataSize)\n', '  if (at > dataSize)\n'],
    ['(await crcOf(raw)) !== crc', '(await crcOf(raw)) === ""'],
    ['const maxValues = 2 ** 19;', 'const maxValues = 2 ** 40;'],
  ),
  ...at('lib/io/json.ts', 'io/json io/hostile-files', ['const maxDepth = 64;', 'const maxDepth = 2 ** 30;']),
  ...at(
    'lib/io/npy.ts',
    'io/npy io/hostile-files',
    ['length * bytes <= size - start', 'true'],
    ["if (descr[0] === '>')", "if (descr[0] === '<')"],
    ['elementCount(shape.slice(0, axis))', 'elementCount(shape.slice(axis))'],
  ),
  ...at('lib/io/mat-budget.ts', 'io/mat io/hostile-files', [
    'this.#memory -= bytes;',
    'this.#memory += bytes;',
  ]),
  ...at(
    'lib/io/mat.ts',
    'io/mat io/hostile-files',
    ['const maxDepth = 64;', 'const maxDepth = 2 ** 30;'],
    ['count > element.bytes.length', 'count < 0'],
  ),
  ...at(
    'lib/io/pickle.ts',
    'io/pth-hostile io/pth io/hostile-files',
    ['const maxSteps = 2 ** 19;', 'const maxSteps = 2 ** 50;'],
    ['if (found === undefined && executes(module, name)) throw', 'if (found === undefined && false) throw'],
  ),
  ...at(
    'lib/io/pth-values.ts',
    'io/pth-hostile io/pth',
    ['offset + span > storage.length', 'span > storage.length'],
    ['if (budget.bytes < 0)', 'if (budget.bytes < -Infinity)'],
  ),
  ...at('lib/io/zip.ts', 'io/pth-hostile io/pth', ['if (end > next) throw', 'if (end > next + 1e9) throw']),
  // Runs and studies.
  ...at(
    'lib/train/run/metrics-log.ts',
    'train/run/metrics-log train/run/damage',
    ['    if (size < bytes)\n      throw', '    if (size < 0)\n      throw'],
    ['    else await file.truncate(bytes);\n', ''],
    ['if (Number(found) !== step)', 'if (Number(found) > step)'],
  ),
  ...at(
    'lib/train/run/store.ts',
    'train/run/store train/run/damage',
    [
      '      await rename(temporary, this.file(bestName));',
      '      await rename(temporary, this.file(lastName));',
    ],
    ['    if (size !== this.#bytes)\n', '    if (size > 2 * this.#bytes)\n'],
    ['    await this.#sync();\n    const checkpoint', '    const checkpoint'],
    ['return best?.step === step;', 'return best !== null;'],
  ),
  ...at(
    'lib/train/study/folder.ts',
    'train/study/folder train/study/runner',
    [
      '  await using _ = await lockStudy(path);\n  const other = await readIfThere(path);\n  if (other !== null) return other;\n',
      '',
    ],
    ['    await naming(path, log.appendFile(this.#line(result)));\n', ''],
  ),
  ...at(
    'lib/setup/archive.ts',
    'setup/archive',
    ['    await accept(partial);\n', ''],
    ['if (sums.crc32 !== entry.crc32) throw', 'if (sums.crc32 === entry.crc32 + 1) throw'],
  ),
  ...at(
    'lib/train/data/sampler.ts',
    'train/data/sampler',
    ['const j = i + integer(next, pool.length - i);', 'const j = integer(next, pool.length);'],
    ['const next = random(this.#seed, n);', 'const next = random(this.#seed);'],
  ),
  ...at('lib/train/dashboard/local-server.ts', 'train/dashboard/server', [
    "if (host !== '127.0.0.1' && host !== 'localhost') return refuse(response, 403);",
    "if (host === '') return refuse(response, 403);",
  ]),
  ...at('lib/train/dashboard/server.ts', 'train/dashboard/server', ['client.writableNeedDrain', 'false']),
  // Numerics of the core.
  ...at('native/ops/row/clip.h', 'ops', [
    'value(n) > value(r.t) ? r.t / n',
    'value(n) > value(r.t) ? n / r.t',
  ]),
  ...at('native/ops/row/project.h', 'ops rim', ['(1 - margin) / root(c)', '(1 + margin) / root(c)']),
  ...at('native/ops/row/mobius_add.h', 'ops ops-reference', [
    'r.a * r.b + r.c * r.p2 + bias',
    'r.a * r.b - r.c * r.p2 + bias',
  ]),
  ...at('native/ops/row/dist.h', 'ops rim', ['on_rim(r.a) || on_rim(r.b)', 'false']),
  ...at('native/ops/row/mobius_scalar_mul.h', 'ops rim', [
    'std::copysign(1.0, value(q)) / root(z)',
    '1.0 / root(z)',
  ]),
  ...at(
    'native/ops/smooth.h',
    'ops contract',
    ['f > 0 ? 0.5 / f : 0', '0.5 / f'],
    ['const double deficit = x < 1 ?', 'const double deficit = x < 0 ?'],
    ['const double excess = z < 0.25 ?', 'const double excess = z < 0 ?'],
  ),
  ...at(
    'native/ops/arsinh.h',
    'pairwise pairwise-lorentz metric-slopes',
    ['return where(root > zero, constant<V>(1) / root, zero);', 'return constant<V>(1) / root;'],
    ['u < constant<V>(0.04)', 'u < constant<V>(0)'],
  ),
  ...at(
    'native/ops/metrics/poincare.h',
    'pairwise metric-slopes',
    [
      'constant<V>(1 / std::sqrt(c)) * double_arsinh(s * (qx * qy))',
      'constant<V>(1 / c) * double_arsinh(s * (qx * qy))',
    ],
    ['{pull, lift * qx, lift * qy}', '{pull, lift * qy, lift * qx}'],
  ),
  ...at('native/ops/metrics/flat.h', 'pairwise metric-slopes', [
    'where(s > zero, constant<V>(kScale) / sqrt(s), zero)',
    'constant<V>(kScale) / sqrt(s)',
  ]),
  ...at('native/ops/near.h', 'pairwise contract', [
    'constexpr double kNear = 0.01;',
    'constexpr double kNear = 0;',
  ]),
  ...at(
    'native/cpu/pairwise/pairwise.h',
    'pairwise',
    ['if (same_ && j + kCols <= i) continue;', 'if (same_ && j < i) continue;'],
    ['min(x_rows_.rows - i, kTileRows)', 'min(x_rows_.rows - i, kTileRows - 1)'],
  ),
  ...at('native/cpu/pairwise/differences.h', 'pairwise contract', [
    'if (negative[l] < 0) s[l] = direct(sides, i, j + l);',
    '',
  ]),
  ...at(
    'native/cpu/pairwise/vjp.h',
    'pairwise metric-slopes',
    ['if (any(near)) add_near(weight, far, row, column, real);', ''],
    ['where(given < V(-kOutside<T>), given, zero)', 'given'],
  ),
  ...at('native/cpu/row/row.h', 'ops rim', ['if (square > 1) scale(', 'if (square > 2) scale(']),
  ...at('native/cpu/row/midpoint.h', 'ops', ['weight * (lambda - 1)', 'weight * lambda']),
  ...at(
    'native/cpu/select/collector.h',
    'retrieval scale',
    ['if (counts[i] > k) halve(i);', ''],
    ['farthest[i] = row(i)[k - 1].distance;', 'farthest[i] = row(i)[0].distance;'],
  ),
  ...at('native/cpu/select/nearest.h', 'retrieval', [
    'index[place] >= 0 && i < index[place]',
    'index[place] >= 0 && i > index[place]',
  ]),
  ...at(
    'native/cpu/contrast/log_sum_exp.h',
    'loss loss-limits',
    ['if (diagonal) row[i] = static_cast<T>(kNone);', ''],
    ['constexpr double kMaxSpread = 120;', 'constexpr double kMaxSpread = 1e6;'],
  ),
  ...at('native/ops/losses/supcon.h', 'contrastive-loss contrastive-loss-limits', [
    's.positives == 1',
    's.positives == 0',
  ]),
  ...at('native/ops/losses/ntxent.h', 'contrastive-loss', [
    's.negative_log - std::log(s.slope)',
    's.negative_log',
  ]),
  ...at(
    'native/ops/losses/proxy_anchor.h',
    'contrastive-loss',
    ['-alpha * (base + margin)', '-alpha * (base - margin)'],
    ['s.balance * soft_plus', 'soft_plus'],
  ),
  ...at('native/ops/losses/multi_similarity.h', 'contrastive-loss', [
    'log_add(s.negative_log, beta * base) + std::log(beta)',
    'log_add(s.negative_log, beta * base)',
  ]),
  ...at('native/ops/losses/dcl.h', 'contrastive-loss', [
    's.negative_log - std::log(s.positives)',
    's.negative_log',
  ]),
  ...at('native/ops/geometries/card.h', 'loss', ['(weighted ? lambda : 1) / tau_h', 'lambda / tau_h']),
  ...at('native/cpu/lists/probe.h', 'gallery/lists', [
    'max(curved - V::load(fact[kRadius] + at), bound)',
    'max(curved, bound)',
  ]),
  ...at(
    'native/cpu/contrast/pair_loss.h',
    'contrastive-loss contrastive-loss-limits',
    ['if (from[i] == silent) of.fall[i] = 0;', ''],
    ['sums.positives == 1 ?', 'false ?'],
  ),
  ...at(
    'native/cpu/delta/delta.h',
    'delta',
    ['to[c] = Bits<T>::kHuge;', 'to[c] = 0;'],
    [
      '(from_base[k] + from_base[p * kCols + c] - row[c]) / 2',
      '(from_base[k] + from_base[p * kCols + c] - row[c])',
    ],
  ),
  ...at('native/cpu/frame/schedule.h', 'threads loss', [
    'store(round + 1, std::memory_order_release)',
    'store(round + 2, std::memory_order_release)',
  ]),
  ...at(
    'native/image/kernel.cc',
    'image/resample',
    ['(weight < 0 ? -0.5 : 0.5)', '0.5'],
    ['center + support + 0.5', 'center + support'],
  ),
  ...at('native/image/resample.cc', 'image/resample', ['a.flip ? a.size - 1 - x : x', 'x']),
  ...at('native/bind/calls.h', 'hostile call/binding-calls', ['a.k <= a.gallery.rows && ', '']),
  // The training addon.
  ...at(
    'native/torch/hard_negatives.cc',
    'train/lane/hard-negatives',
    ['share - beta_ * std::exp', 'share + beta_ * std::exp'],
    ['std::log(static_cast<double>(values_.size()))', '0'],
    ['slopes_.row(anchor)[positive] -= w;', ''],
  ),
  ...at(
    'native/torch/pair_loss.cc',
    'train/lane/loss train/lane/proxies',
    ['variant.options.proxies_are_anchors ? batch : others', 'others'],
    ['pairs.margin = variant.options.margin;', ''],
  ),
  // CUDA kernels, emulated.
  ...at('native/cuda/pairwise/vjp.cu', 'gpu/pairwise', [
    'const T far = is_near ? T(0) : weight;',
    'const T far = weight;',
  ]),
  ...at('native/cuda/select/nearest.h', 'gpu/pairwise', ['(d == other && i < j)', '(d == other && i > j)']),
  ...at('native/node/file_lock.cc', 'io/lock', ['LOCK_EX : LOCK_SH', 'LOCK_SH : LOCK_SH']),
  ...callMutants,
  ...folderMutants,
  ...formulaMutants,
];
