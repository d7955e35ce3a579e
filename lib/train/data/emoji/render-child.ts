// A child process of renderer.ts: renders the drawings that it is sent, one after the other.
import type { ErrorCode } from '../../../errors.ts';
import { type Drawing, renderDrawing } from './svg.ts';

/** A request of the parent. */
export interface RenderRequest {
  readonly drawing: Drawing;
  readonly size: number;
}

/** The response to each request: a PNG file, or an error. */
export type RenderAnswer =
  | { readonly png: Uint8Array }
  | { readonly code: ErrorCode | undefined; readonly message: string };

process.on('message', ({ drawing, size }: RenderRequest) => {
  renderDrawing(drawing, size).then(
    (png) => process.send!({ png }),
    ({ code, message }) => process.send!({ code, message }),
  );
});
// The parent ended: a drawing in progress would keep this process alive.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
