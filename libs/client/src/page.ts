import type { Unlisten } from './emitter.js';

/** Whether the browser says that there is no network. Others don't say. */
export function isOffline(): boolean {
  return (globalThis.navigator as Navigator | undefined)?.onLine === false;
}

/**
 * Listens to what a browser tells of its page; a worker hears of the network only, and Node of nothing.
 * @param woke It is looked at again, runs again, or has a network again: what time has passed is unknown.
 * @param offline The network is gone.
 */
export function watchPage(woke: () => void, offline: () => void): Unlisten {
  const abort = new AbortController();
  const { document } = globalThis;
  const listen = (target: EventTarget | undefined, type: string, listener: () => void): void =>
    target?.addEventListener?.(type, listener, abort);
  listen(globalThis, 'offline', offline);
  listen(globalThis, 'online', woke);
  listen(globalThis, 'pageshow', woke);
  listen(document, 'resume', woke);
  listen(document, 'visibilitychange', () => document.visibilityState === 'visible' && woke());
  return () => abort.abort();
}
