import { type ErrorBody, LIMITS } from '@aerie/protocol';
import { BackplaneUnavailable } from '../publishing/backplane.js';
import { countThatFit } from './page-bytes.js';
import type { PresencePage, PresenceStore } from './presence-store.js';

/** Which members of a channel. */
export interface PresencePageRequest {
  /** The user behind whom the page begins, in the order of the users' bytes. Default: the first ones. */
  readonly after?: string | undefined;
  /** 1-1,000, default 1,000. */
  readonly limit?: number | undefined;
}

/** Who is in a channel, or why that can't be told. */
export type PresenceOutcome =
  | ({ readonly ok: true; readonly channel: string } & PresencePage)
  | { readonly ok: false; readonly error: ErrorBody };

export interface ChannelPresenceOptions {
  readonly store: PresenceStore;
  /** Whether it is known who is in a channel. */
  readonly keeps: (channel: string) => boolean;
}

/** The channels of which it is known who is in them, on all nodes. */
export class ChannelPresence {
  readonly keeps: (channel: string) => boolean;
  readonly #store: PresenceStore;

  constructor({ store, keeps }: ChannelPresenceOptions) {
    this.#store = store;
    this.keeps = keeps;
  }

  /** A page ends before 256 KiB. */
  async page(
    channel: string,
    { after, limit = LIMITS.presencePage }: PresencePageRequest = {},
  ): Promise<PresenceOutcome> {
    if (!this.keeps(channel)) return { ok: false, error: NO_PRESENCE };
    try {
      const page = await this.#store.page(channel, { after, limit });
      return { ok: true, channel, ...withinReply(page) };
    } catch (error) {
      if (!(error instanceof BackplaneUnavailable)) throw error;
      return { ok: false, error: UNAVAILABLE };
    }
  }
}

function withinReply({ version, members, more }: PresencePage): PresencePage {
  const count = countThatFit(members.map(({ user }) => user));
  return { version, members: members.slice(0, count), more: more || count < members.length };
}

const NO_PRESENCE: ErrorBody = { code: 'not_found', message: 'this channel has no presence' };
const UNAVAILABLE: ErrorBody = { code: 'unavailable', message: 'the presence did not answer, try again' };
