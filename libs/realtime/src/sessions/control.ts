import { CLOSE, isChannelName, isUserId, SYSTEM, type ErrorBody, userChannel } from '@aerie/protocol';
import { Logger } from '@nestjs/common';
import { z } from 'zod';
import type { Connection } from '../connections/connection.js';
import type { ConnectionRegistry } from '../connections/connection-registry.js';
import { CONTROL_CHANNEL } from '../publishing/internal-channels.js';
import type { NodeChannels } from '../publishing/node-channels.js';
import type { CommandOutcome } from '../publishing/outcome.js';
import type { Publisher } from '../publishing/publisher.js';
import { type Revocation, type RevocationLog, revokes } from './revocations.js';

const Command = z.discriminatedUnion('command', [
  z.object({ command: z.literal('disconnect'), user: z.string().refine(isUserId), reconnect: z.boolean() }),
  z.object({
    command: z.literal('unsubscribe'),
    user: z.string().refine(isUserId),
    channel: z.string().refine(isChannelName),
  }),
  z.object({
    command: z.literal('replaced'),
    user: z.string().refine(isUserId),
    connections: z.array(z.string()),
  }),
  z.object({ command: z.literal('revoked') }),
]);
type Command = z.infer<typeof Command>;

export interface ControlOptions {
  readonly registry: ConnectionRegistry;
  readonly publisher: Publisher;
  readonly channels: NodeChannels;
  readonly revocations: RevocationLog;
}

/** Commands that reach a user's connections on whichever node they are: sent over the backplane, this node included. */
export class Control {
  readonly #logger = new Logger('AerieControl');
  readonly #options: ControlOptions;

  constructor(options: ControlOptions) {
    this.#options = options;
  }

  /** Closes all of a user's connections: 4403, or 4401 where it may come back. */
  disconnect(user: string, reconnect: boolean): Promise<CommandOutcome> {
    return this.#send({ command: 'disconnect', user, reconnect });
  }

  /** Takes a user out of a channel, on all its connections. */
  async unsubscribe(user: string, channel: string): Promise<CommandOutcome> {
    if (channel === userChannel(user)) return { ok: false, error: OWN_CHANNEL };
    return this.#send({ command: 'unsubscribe', user, channel });
  }

  /** Closes these connections of a user with 1008: newer ones took their places. */
  replaced(user: string, connections: readonly string[]): Promise<CommandOutcome> {
    return this.#send({ command: 'replaced', user, connections: [...connections] });
  }

  /** Revokes sessions: live ones are closed with 4401, later ones refused, on every node. */
  async revoke(revocation: Revocation): Promise<CommandOutcome> {
    try {
      await this.#options.revocations.add(revocation);
    } catch {
      return { ok: false, error: UNAVAILABLE };
    }
    // Nodes that miss this hint read the log by themselves.
    await this.#send({ command: 'revoked' });
    return { ok: true };
  }

  /** Called with what arrives on the control channel. */
  receive(frame: Uint8Array): void {
    const parsed = Command.safeParse(parse(frame));
    if (parsed.success) this.#obey(parsed.data);
    else this.#logger.warn('a control command was not understood (a newer node?)');
  }

  /** Closes the connections that a revocation names. Wire it to `RevocationLog.start`. */
  applyRevocation(revocation: Revocation): void {
    const candidates =
      revocation.user === undefined
        ? this.#options.registry.all()
        : this.#options.registry.ofUser(revocation.user);
    for (const connection of candidates)
      if (revokes(revocation, connection.session)) connection.close(CLOSE.sessionEnded);
  }

  async #send(command: Command): Promise<CommandOutcome> {
    const outcome = await this.#options.publisher.publish({ channel: CONTROL_CHANNEL, frame: command });
    return outcome.ok ? { ok: true } : { ok: false, error: outcome.error };
  }

  #obey(command: Command): void {
    if (command.command === 'revoked')
      void this.#options.revocations
        .refresh()
        .catch(() => this.#logger.warn('revocations could not be read; the next round will'));
    else
      for (const connection of this.#options.registry.ofUser(command.user)) this.#apply(command, connection);
  }

  #apply(command: Exclude<Command, { command: 'revoked' }>, connection: Connection): void {
    if (command.command === 'disconnect')
      connection.close(command.reconnect ? CLOSE.sessionEnded : CLOSE.disconnected);
    else if (command.command === 'replaced') {
      if (command.connections.includes(connection.id)) connection.close(CLOSE.replaced);
    } else if (this.#options.channels.leave(connection, command.channel))
      connection.emit(SYSTEM.unsubscribed, { channel: command.channel, reason: 'removed' });
  }
}

// Without it a connected user could no longer be reached.
const OWN_CHANNEL: ErrorBody = {
  code: 'invalid',
  message: "channel: a user's own channel is the server's to give and take",
};

const UNAVAILABLE: ErrorBody = {
  code: 'unavailable',
  message: 'the revocation log did not answer: try again',
};

function parse(frame: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(frame).toString('utf8'));
  } catch {
    return undefined;
  }
}
