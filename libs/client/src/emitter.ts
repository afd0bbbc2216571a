/** Takes a listener off again. Calling it twice is harmless. */
export type Unlisten = () => void;

/** Where failures go that nobody awaits. */
export type Report = (error: unknown) => void;

type Listener<Args extends readonly unknown[]> = (...args: Args) => unknown;

/** The listeners of one thing. One that throws or rejects is reported and stops neither the others nor the client. */
export class Listeners<Args extends readonly unknown[]> extends Set<{ readonly call: Listener<Args> }> {
  readonly #report: Report;

  constructor(report: Report) {
    super();
    this.#report = report;
  }

  listen(call: Listener<Args>): Unlisten {
    const entry = { call };
    this.add(entry);
    return () => void this.delete(entry);
  }

  emit(...args: Args): void {
    for (const { call } of Array.from(this))
      try {
        const result = call(...args);
        if (result instanceof Promise) result.catch(this.#report);
      } catch (error) {
        this.#report(error);
      }
  }
}

/** Listeners by event name. */
export class Emitter<Args extends readonly unknown[]> extends Listeners<[event: string, ...args: Args]> {
  on(event: string, listener: Listener<Args>): Unlisten {
    return this.listen((name, ...args) => name === event && listener(...args));
  }
}
