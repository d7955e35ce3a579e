// A child process of renderer.ts that renders the drawings it receives, one at a time.
import type { ErrorCode } from '../../../errors.ts';
import { type Drawing, renderDrawing } from './svg.ts';

/** A request from the parent. */
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
// Kill this process when its parent exits, because rendering in progress would keep it alive.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
