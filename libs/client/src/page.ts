import type { Unlisten } from './emitter.js';

interface PageEvents {
  /** It is looked at again, runs again, or has a network again: what time has passed is unknown. */
  readonly woke: () => void;
  /** The network is gone. */
  readonly offline: () => void;
}

/** Whether the browser says that there is no network. Others don't say. */
export function isOffline(): boolean {
  const { navigator }: { readonly navigator?: { readonly onLine?: boolean } } = globalThis;
  return navigator?.onLine === false;
}

/** Listens to what a browser tells of its page; a worker hears of the network only, and Node of nothing. */
export function watchPage({ woke, offline }: PageEvents): Unlisten {
  const abort = new AbortController();
  const listen = (target: EventTarget | undefined, type: string, listener: () => void): void =>
    target?.addEventListener?.(type, listener, abort);
  const { document } = globalThis;
  listen(globalThis, 'online', woke);
  listen(globalThis, 'offline', offline);
  listen(globalThis, 'pageshow', woke);
  listen(document, 'resume', woke);
  listen(document, 'visibilitychange', () => document.visibilityState === 'visible' && woke());
  return () => abort.abort();
}
