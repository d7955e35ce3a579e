import test from 'ava';
import { checkedContents, savedNetwork } from '../../../lib/train/run/checkpoint-schema.ts';

const recall = { at: { 1: 0.5 }, strict: [] };
const contents = {
  version: 1,
  config: {},
  position: {
    step: 3,
    seconds: 1,
    metricsBytes: 9,
    best: { step: 2, epoch: 1, recall: 0.5 },
    baselines: [{ name: 'Raw pixels', recall }],
    complete: false,
  },
  scaler: { scale: 8, goodSteps: 1, skipped: 0 },
  learnt: { steps: 3, places: { t_e: { offset: 0, first: 0, second: 0 } } },
  machine: { libtorch: '2.13.0', threads: 2 },
};

const atK = (k: string): object => ({ at: JSON.parse(`{"${k}":0.5}`), strict: [] });

test('accepts valid contents, and keeps unknown fields', (t) => {
  t.deepEqual(checkedContents({ ...contents, later: 1 }, 'a').config, {});
  t.is((checkedContents({ ...contents, later: 1 }, 'a') as { later?: number }).later, 1);
});

for (const [field, change] of [
  ['version', { version: 2 }],
  ['position.step', { position: { ...contents.position, step: -1 } }],
  ['position.best.recall', { position: { ...contents.position, best: { step: 1, epoch: 1, recall: 2 } } }],
  ['position', { position: { ...contents.position, evaluated: [2, 4] } }],
  ['scaler.scale', { scaler: { ...contents.scaler, scale: 0 } }],
  [
    'learnt.places.t_e.offset',
    { learnt: { steps: 1, places: { t_e: { offset: 800, first: 0, second: 0 } } } },
  ],
  ...(['constructor', 'x', '1e9'] as const).map(
    (k) =>
      [
        `position.baselines.0.recall.at.${k}`,
        { position: { ...contents.position, baselines: [{ name: 'x', recall: atK(k) }] } },
      ] as const,
  ),
  [
    'position.baselines',
    { position: { ...contents.position, baselines: Array(1001).fill({ name: 'x', recall: atK('1') }) } },
  ],
  ['machine.libtorch', { machine: { libtorch: '2\u001b[31m', threads: 1 } }],
  ['machine.device', { machine: { libtorch: 'x', threads: 1, device: 'cpu\u001b' } }],
  ['machine.level', { machine: { libtorch: 'x', threads: 1, level: 2 } }],
  ['machine.threads', { machine: { libtorch: 'x', threads: 0 } }],
  ['machine.ranks', { machine: { libtorch: 'x', threads: 1, ranks: 1.5 } }],
] as const) {
  test(`an invalid ${field} is rejected by name`, (t) => {
    t.throws(() => checkedContents({ ...contents, ...change }, 'last.safetensors'), {
      code: 'ERR_HOROBALL_FORMAT',
      message: new RegExp(`^last\\.safetensors .*${field.replaceAll('.', '\\.')}`),
    });
  });
}

test('the curvature of a weights file is optional, and must be above 0', (t) => {
  t.is(savedNetwork({ c: 0.3, head: 'hypmix' }, 'a').c, 0.3);
  t.is(savedNetwork({}, 'a').c, undefined);
  for (const wrong of [null, [], { c: 0 }, { c: 1, head: 7 }, { c: 1, model: [] }, { c: 1, clipR: '2' }])
    t.throws(() => savedNetwork(wrong, 'a'), { code: 'ERR_HOROBALL_FORMAT' });
});
