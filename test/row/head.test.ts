// Checks the order of the head's cards (native/ops/head.h): swapping any two of them changes the result for one of these
// points.
import test from 'ava';
import type { Matrix } from '../../lib/index.ts';
import { headCards } from '../../lib/row/card.ts';
import * as oracle from '../oracle.ts';
import { accuracyOf, operationOf } from '../row-points.ts';
import { close, cloud } from '../support.ts';
import { allowed, referenceError } from '../tolerances.ts';

test("the head's cards, applied in order, map rows as the oracle's head does", (t) => {
  const rows = cloud(Float64Array, 12, 5, 4);
  for (const c of [0.1, 1, 20]) {
    for (const clip of [0.4, 2.3]) {
      // The caller's clip is the first card's parameter; the others take their default.
      const mapped = headCards().reduce((x: Matrix, card, place) => {
        const own = place === 0 ? { [card.parameter!.name]: clip } : {};
        return operationOf(card).sync(x, { c, ...own });
      }, rows);
      const want = oracle.head(oracle.table(rows.data, rows.cols), { c, clip });
      const limit = allowed(Float64Array, accuracyOf('expmap0').value, referenceError.closedForms);
      close(t, mapped.data, want.flat(), limit, `c ${c}, clip ${clip}`);
    }
  }
});
