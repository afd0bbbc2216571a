import { SYSTEM } from '@aerie/protocol';

/** What a `$join` or `$leave` frame of the store says. */
export interface AnnouncedChange {
  readonly joins: boolean;
  readonly user: string;
  readonly version: number;
}

/** Undefined for bytes that are none. */
export function readChange(frame: Uint8Array): AnnouncedChange | undefined {
  try {
    const { event, data } = JSON.parse(Buffer.from(frame).toString()) as {
      event?: unknown;
      data?: Partial<AnnouncedChange>;
    };
    const { user, version } = data ?? {};
    if (typeof user !== 'string' || typeof version !== 'number') return undefined;
    if (event !== SYSTEM.join && event !== SYSTEM.leave) return undefined;
    return { joins: event === SYSTEM.join, user, version };
  } catch {
    return undefined;
  }
}
