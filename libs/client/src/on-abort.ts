import type { Unlisten } from './emitter.js';

/** Calls with the signal's reason when it aborts. @throws the reason where it has aborted already. */
export function onAbort(signal: AbortSignal | undefined, call: (reason: unknown) => void): Unlisten {
  signal?.throwIfAborted();
  const abort = (): void => call(signal?.reason);
  signal?.addEventListener('abort', abort);
  return () => signal?.removeEventListener('abort', abort);
}
