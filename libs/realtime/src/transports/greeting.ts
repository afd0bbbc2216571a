import { CLOSE, type Position, SYSTEM, userChannel, type Welcome } from '@aerie/protocol';
import { Logger } from '@nestjs/common';
import type { Connection } from '../connections/connection.js';
import type { HeartbeatOptions } from '../connections/heartbeat.js';
import { within } from '../deadline.js';
import { Deadlines } from '../deadlines.js';
import type { ReportFault, SystemHandlers } from '../messages/message-handlers.js';
import { type MessageLimits, MessageStream, type MessageStreamOptions } from '../messages/message-stream.js';
import type { RealtimeMetrics } from '../metrics/meter.js';
import type { NodeChannels } from '../publishing/node-channels.js';
import type { ClientFacade } from './client-facade.js';
import type { Greeter } from './entrance.js';

/** An application's `handleConnection` may take this long before the client is welcomed without it. */
const PREPARATION_MS = 10_000;

export interface GreetingOptions {
  readonly node: string;
  readonly heartbeat: HeartbeatOptions;
  readonly limits: MessageLimits & {
    /** How long a message's handler may take. Milliseconds. */
    readonly deadlineMs: number;
  };
  readonly system: SystemHandlers;
  readonly channels: NodeChannels;
  /** Where a channel stands on this node, where it has a history. */
  readonly positionOf: (channel: string) => Position | undefined;
  readonly metrics: RealtimeMetrics;
}

/** Greets a registered connection: `handleConnection`, its own channel, `$welcome`; only then its messages are answered. */
export class Greeting implements Greeter {
  readonly #logger = new Logger('AerieMessages');
  readonly #options: GreetingOptions;
  readonly #messages: MessageStreamOptions;

  constructor(options: GreetingOptions) {
    this.#options = options;
    const { system, limits, metrics } = options;
    const deadlines = new Deadlines(limits.deadlineMs);
    this.#messages = { system, limits, metrics, deadlines, reportFault: this.#report };
  }

  greet(client: ClientFacade, welcomed: () => void): void {
    this.#welcome(client, welcomed).catch((error: unknown) => this.#failed(client.connection, error));
  }

  messagesOf(client: ClientFacade): MessageStream {
    return new MessageStream(client.connection, client, this.#messages);
  }

  async #welcome(client: ClientFacade, welcomed: () => void): Promise<void> {
    const { connection, endpoint } = client;
    endpoint.announce(client);
    const preparing = client.prepared();
    if (preparing !== undefined && !(await isDone(preparing))) return connection.close(CLOSE.serverFault);
    const own = userChannel(connection.session.user);
    await this.#options.channels.joinAnyway(connection, own, () => {
      const position = this.#options.positionOf(own);
      connection.sendPayload(this.#frame(client, own, position));
      if (position !== undefined) connection.mark(own, position);
    });
    if (connection.isOpen) welcomed();
  }

  // Gateways may listen to their server themselves: what they throw costs the client that they threw it over.
  #failed(connection: Connection, error: unknown): void {
    this.#logger.error('a client could not be greeted', error instanceof Error ? error.stack : undefined);
    connection.close(CLOSE.serverFault);
  }

  #frame({ connection, endpoint }: ClientFacade, own: string, position: Position | undefined): string {
    const { session, transport, id, proof: resume } = connection;
    const { messagesPerSecond, burst } = this.#options.limits;
    const welcome: Omit<Welcome, 'channels'> = {
      connection: id,
      user: session.user,
      node: this.#options.node,
      expiresAt: session.expiresAt ?? null,
      heartbeat: this.#options.heartbeat,
      maxFrameBytes: endpoint.maxFrameBytes,
      transport,
      ...(resume !== undefined && { resume }),
      serverTime: Date.now(),
      messages: { perSecond: messagesPerSecond, burst },
    };
    return `{"event":"${SYSTEM.welcome}","data":${withChannel(JSON.stringify(welcome), own, position)}}`;
  }

  readonly #report: ReportFault = ({ event, error }) => {
    this.#logger.error(`the handler of "${event}" failed`, error instanceof Error ? error.stack : undefined);
  };
}

// As text: V8 keeps a shape for each object with a key of its own, and every user's channel is one.
function withChannel(welcome: string, channel: string, position: Position | undefined): string {
  return `${welcome.slice(0, -1)},"channels":{${JSON.stringify(channel)}:${JSON.stringify(position ?? {})}}}`;
}

/** Whether all of it succeeded; what takes too long counts as done. */
function isDone(preparing: Promise<unknown>): Promise<boolean> {
  const done = preparing.then(
    () => true,
    () => false,
  );
  return within(PREPARATION_MS, done, () => true);
}
