import { type Matrix, matrix } from '../matrix.ts';
import { headCards } from './card.ts';
import { type Curved, type Operation, operation } from './operation.ts';

type HeadStep = Operation<readonly ['rows'], Partial<Curved>>;

/**
 * Returns the radius of the ball points of a tied head, by applying the core's head to a unit row. `clip`: the norm at
 * which the head clips.
 */
export function tiedRadius({ c, clip }: { readonly c: number; readonly clip: number }): number {
  let point: Matrix<Float64Array> = matrix(Float64Array.of(1), 1, 1);
  for (const [index, { name, parameter }] of headCards().entries()) {
    const clipping = index === 0 ? { [parameter!.name]: clip } : {};
    point = operation<HeadStep>(name).sync(point, { c, ...clipping });
  }
  return point.data[0]!;
}
