import { CLOSE, type Message, SYSTEM } from '@aerie/protocol';
import type { ChannelAccess } from '../channels/channel-access.js';
import type { Connection } from '../connections/connection.js';
import type { Session } from '../connections/session.js';
import type { SystemHandlers } from '../messages/message-handlers.js';
import { isInternal } from '../publishing/internal-channels.js';
import type { NodeChannels } from '../publishing/node-channels.js';
import { Refusal } from '../refusal.js';
import type { SessionExpiry } from './session-expiry.js';
import type { Sessions } from './sessions.js';

/** So many failed renewals in a row end the connection. */
const FAILURES = 10;

export interface RenewalOptions {
  /** Authenticates the `$auth` of a live connection by its stored handshake request. */
  readonly authenticate: (connection: Connection, data: unknown) => Promise<Session | Refusal>;
  readonly access: ChannelAccess;
  readonly channels: NodeChannels;
  readonly expiry: SessionExpiry;
  readonly sessions: Pick<Sessions, 'update'>;
}

/** `resume` stands for the renewed session, on transports whose clients come back by such a proof. */
type Renewed = Refusal | { readonly expiresAt: number | null; readonly resume?: string };

/**
 * `$auth` on a live session: the same user gets a new expiry and new claims. A failure is an error reply and the old session
 * stands; another user's token ends the connection. Channels that the new claims no longer allow are left.
 */
export class Renewal {
  readonly #options: RenewalOptions;
  readonly #underWay = new WeakSet<Connection>();
  /** Failures in a row. */
  readonly #failures = new WeakMap<Connection, number>();

  constructor(options: RenewalOptions) {
    this.#options = options;
  }

  register(handlers: SystemHandlers): void {
    handlers.set(SYSTEM.auth, (connection, message) => this.#oneAtATime(connection, message));
  }

  // Each works on the stored handshake request: two at a time would leave it half one's, half the other's.
  async #oneAtATime(connection: Connection, message: Message): Promise<Renewed> {
    if (this.#underWay.has(connection)) return new Refusal('conflict', 'another $auth is under way');
    this.#underWay.add(connection);
    try {
      return await this.#renew(connection, message);
    } finally {
      this.#underWay.delete(connection);
    }
  }

  async #renew(connection: Connection, message: Message): Promise<Renewed> {
    const session = await this.#options.authenticate(connection, message.data);
    if (session instanceof Refusal) return this.#failed(connection, session);
    this.#failures.delete(connection);
    if (session.user !== connection.session.user) {
      connection.close(CLOSE.policy);
      return new Refusal('forbidden', 'another user');
    }
    connection.renew(session);
    this.#options.expiry.watch(connection);
    this.#options.sessions.update(connection);
    await this.#leaveForbidden(connection);
    const { proof } = connection;
    return { expiresAt: session.expiresAt ?? null, ...(proof !== undefined && { resume: proof }) };
  }

  // A live connection is no place to guess from: nobody's own credential is wrong so often.
  #failed(connection: Connection, refusal: Refusal): Refusal {
    if (refusal.code !== 'unauthenticated' && refusal.code !== 'forbidden') return refusal;
    const failures = (this.#failures.get(connection) ?? 0) + 1;
    this.#failures.set(connection, failures);
    if (failures >= FAILURES) connection.close(CLOSE.policy);
    return refusal;
  }

  async #leaveForbidden(connection: Connection): Promise<void> {
    for (const channel of connection.channels) {
      if (isInternal(channel)) continue;
      const refusal = await this.#options.access
        .subscribe({ connection, channel })
        .catch(() => new Refusal('internal', 'rule failed'));
      // A rule that can't answer now takes nothing away.
      if (
        refusal === undefined ||
        refusal.status >= 500 ||
        !this.#options.channels.leave(connection, channel)
      )
        continue;
      connection.emit(SYSTEM.unsubscribed, { channel, reason: 'forbidden' });
    }
  }
}
