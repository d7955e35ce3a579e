import test from 'ava';
import type { Result } from '../../../lib/train/study/results.ts';
import { studyCsv } from '../../../lib/train/study/table.ts';
import { result, syntheticStudy } from './synthetic-study.ts';

test('CSV has one line per run and quotes fields if needed', (t) => {
  const study = { ...syntheticStudy(9), results: [result('euclidean-t_e0.1', 1, 0.5)] };
  study.results[0]!.error = 'a "quoted", word';
  const [head, line, rest] = studyCsv(study).split('\r\n');
  t.is(head, 'arm,loss,geometry,t_e,t_h,lam,hyp_c,tree,seed,recall_at_1,recall_at_2,seconds,error');
  t.is(line, 'euclidean,views,euclidean,0.1,0.1,0.5,0.1,,1,0.5,0.55,50,"a ""quoted"", word"');
  t.is(rest, '');
});

test('CSV has at most 64 columns of recall', (t) => {
  const first = result('euclidean-t_e0.1', 1, 0.5);
  const at = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [i + 1, 0.5]));
  first.spaces!.cosine.at = at;
  const [head] = studyCsv({ ...syntheticStudy(9), results: [first] }).split('\r\n');
  t.is(head!.match(/recall_at_/g)!.length, 64);
});

test('CSV has the recall columns of all results', (t) => {
  const [one, other] = [0.5, 0.6].map((at1, i) => result('euclidean-t_e0.1', i + 1, at1)) as [Result, Result];
  other.spaces!.cosine.at = { 1: 0.6, 100: 1 };
  const [head, first, second] = studyCsv({ ...syntheticStudy(9), results: [one, other] }).split('\r\n');
  t.true(head!.endsWith('recall_at_1,recall_at_2,recall_at_100,seconds,error'));
  t.true(first!.endsWith(',0.5,0.55,,50,'));
  t.true(second!.endsWith(',0.6,,1,50,'));
});
