/** Whether the browser says that there is no network. Others don't say. */
export function isOffline(): boolean {
  return (globalThis.navigator as Navigator | undefined)?.onLine === false;
}

/**
 * Listens to what a browser tells of its page; a worker hears of the network only, and Node of nothing.
 * @param changed It is looked at again, runs again, or its network came or went: what time has passed is unknown.
 * @param signal Ends it.
 */
export function watchPage(changed: () => void, signal: AbortSignal): void {
  const heard = ({ type }: Event): void => {
    if (type !== 'visibilitychange' || !document.hidden) changed();
  };
  // On its way to the document an event comes by the window, whether it bubbles or not.
  for (const type of ['offline', 'online', 'pageshow', 'resume', 'visibilitychange'])
    globalThis.addEventListener?.(type, heard, { signal, capture: true });
}
