import test from 'ava';
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
