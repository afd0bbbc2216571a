import { CLOSE, type NoMessage } from '@aerie/protocol';
import type { ConnectionEnd } from '../connections/connection.js';
import type { OutboxBudget } from '../connections/outbox-budget.js';
import type { Heartbeat } from '../connections/heartbeat.js';
import type { MessageStream } from '../messages/message-stream.js';
import type { RealtimeMetrics } from '../metrics/meter.js';
import type { StallGate } from '../sessions/stall-gate.js';
import type { ClientFacade } from './client-facade.js';

/** How an end that nobody announced looks everywhere. */
export const CUT = 1006;

/** What all links of a node share. */
export interface LinkPorts {
  readonly heartbeat: Heartbeat;
  readonly metrics: RealtimeMetrics;
  /** Where links count what they hold for their clients beside the outbox. */
  readonly budget: OutboxBudget;
  /** While it is closed, what comes in waits there. */
  readonly gate: Pick<StallGate, 'isOpen' | 'hold'>;
  /** What takes a client's messages; asked for with its first one, as most connections only listen. */
  readonly messagesOf: (client: ClientFacade) => MessageStream;
  /** The wire is gone. Called once. */
  readonly onEnd: (client: ClientFacade, end: ConnectionEnd) => void;
}

/** Ties what arrives by a transport to its Connection and its gateways' client, and tells when the wire is gone. */
export abstract class Link {
  protected readonly client: ClientFacade;
  protected readonly ports: LinkPorts;
  #isWelcome = false;
  #messages: MessageStream | undefined;

  constructor(client: ClientFacade, ports: LinkPorts) {
    this.client = client;
    this.ports = ports;
  }

  /** From here on what arrives is taken, and silence is noticed. */
  abstract start(): void;

  /** `$welcome` is on its way: what has arrived so far may be answered. */
  welcomed(): void {
    this.#isWelcome = true;
    this.#messages?.open();
  }

  /** Takes one message's bytes. */
  protected take(data: Buffer, isBinary: boolean): void {
    this.#enter(data.byteLength, () => this.#receive(data, isBinary));
  }

  /** Answers what the transport found to be no message, in its place among the others. */
  protected refuse(frame: NoMessage): void {
    this.#enter(0, () => this.#stream().refuse(frame));
  }

  /** The wire is gone, as `end` says where this side did not close it. */
  protected ended(end: ConnectionEnd): void {
    const { connection } = this.client;
    const silence = end.silentMs === undefined ? {} : { silentMs: end.silentMs };
    connection.ended();
    this.ports.onEnd(this.client, { ...(connection.closedWith ?? end), ...silence });
    this.#messages?.end();
  }

  #enter(bytes: number, enter: () => void): void {
    const { gate } = this.ports;
    if (gate.isOpen()) enter();
    else if (!gate.hold(bytes, enter)) this.client.connection.close(CLOSE.overloaded);
  }

  #receive(data: Buffer, isBinary: boolean): void {
    this.#stream().receive(data, isBinary);
    this.client.heard(data, isBinary);
  }

  #stream(): MessageStream {
    if (this.#messages !== undefined) return this.#messages;
    this.#messages = this.ports.messagesOf(this.client);
    if (this.#isWelcome) this.#messages.open();
    return this.#messages;
  }
}
