import test from 'ava';
import { divergenceText } from '../../../lib/train/run/divergence.ts';

test('the advice for a loss that is not finite depends on whether a step was taken', (t) => {
  const first = divergenceText(1, 'the loss is not finite', null);
  t.regex(
    first,
    /^\[train\] step 1: the loss is not finite\. No weight has changed yet, .* Use values of .* hyp_c/,
  );
  t.regex(divergenceText(2, 'x', null), /step 2: x\. Use a lower lr/);
  t.regex(divergenceText(2, 'x', 'norm'), /pass: norm\)\. Use a lower lr/);
  t.regex(
    divergenceText(1, 'x', 'norm'),
    /step 1: x \(first non-finite value of the forward pass: norm\)\. No weight has changed yet, .* Use precision float32/,
  );
});
