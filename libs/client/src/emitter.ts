/** Takes a listener off again. Calling it twice is harmless. */
export type Unlisten = () => void;

/** Where failures go that nobody awaits. */
export type Report = (error: unknown) => void;

/** The listeners of one thing, by the names of what they hear. */
export interface Emitter {
  readonly size: number;
  /** @param name `$` hears everything: no event of an application or of the protocol is called so. */
  on(name: string, listener: (...args: never[]) => unknown): Unlisten;
  /** A listener that throws or rejects is reported and stops neither the others nor the client. */
  emit(name: string, ...args: readonly unknown[]): void;
}

export function createEmitter(report: Report): Emitter {
  const listeners = new Set<readonly [name: string, listener: (...args: unknown[]) => unknown]>();
  return {
    get size() {
      return listeners.size;
    },
    on: (...entry) => {
      listeners.add(entry as never);
      return () => void listeners.delete(entry as never);
    },
    emit: (name, ...args) => {
      for (const [heard, listener] of Array.from(listeners))
        if (heard === '$' || heard === name)
          try {
            const result = listener(...args);
            if (result instanceof Promise) result.catch(report);
          } catch (error) {
            report(error);
          }
    },
  };
}
