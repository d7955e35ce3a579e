import test from 'ava';
import { verdictText } from '../../../../lib/train/report/study/words.ts';
import { analyze } from '../../../../lib/train/study/analyze.ts';
import type { Cell } from '../../../../lib/train/study/plan.ts';
import { plan, result, seeds } from '../../study/synthetic-study.ts';

test('describes a tie as a tie', (t) => {
  const verdict = (score: (cell: Cell) => number): string => {
    const { cells } = plan();
    const results = cells.flatMap((cell) => seeds.map((seed) => result(cell.id, seed, score(cell))));
    return verdictText(analyze({ name: 'tie', plan: plan(), results }));
  };
  const none = 'No difference between the geometries is statistically significant.';
  const { length } = plan().cells;
  t.is(
    verdict(() => 0.8125),
    `All ${length} settings tie at 81.3%. ${none}`,
  );
  t.regex(
    verdict(({ config }) => (config.t_e === 0.1 || config.t_h === 0.1 ? 0.8 : 0.7)),
    /^\w+(, \w+)* and \w+ tie at 80\.0%\./,
  );
  t.regex(
    verdict(({ arm }) => (arm === 'hyperbolic' ? 0.8 : 0.7)),
    /^Highest: hyperbolic, 80\.0% at t_h 0\.05, tied with 2 more of its settings\./,
  );
});
