import { CLOSE, type ErrorCode } from '@aerie/protocol';
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';

/** A count that only grows: one addition on the hot path; Prometheus reads it at scrape. */
export class Tally {
  #value = 0;

  inc(by = 1): void {
    this.#value += by;
  }

  get value(): number {
    return this.#value;
  }
}

/** Counts by the value of one label, as cheap as one. */
class Tallies {
  readonly #values = new Map<string, number>();

  inc(label: string): void {
    this.#values.set(label, (this.#values.get(label) ?? 0) + 1);
  }

  get values(): Iterable<[label: string, count: number]> {
    return this.#values;
  }
}

/** Values that are read at scrape, by name: their help and, where they have one, their only label. */
const GAUGES = {
  aerie_connections: { help: 'Open connections', label: 'transport' },
  aerie_quarantined: { help: 'Sockets that wait for their first message' },
  aerie_users: { help: 'Users with at least one connection to this node' },
  aerie_channels: { help: 'Channels with at least one subscriber on this node' },
  aerie_subscriptions: { help: 'Subscriptions of this node’s connections' },
  aerie_outbox_bytes: { help: 'Bytes retained for connections that have not taken them yet' },
  aerie_saturation: { help: 'Share of the connection or descriptor limit in use, 0 to 1' },
  aerie_backplane_up: { help: '1 while the last backplane probe came back' },
  aerie_backplane_round_trip_seconds: { help: 'Round trip of the last backplane probe that came back' },
  aerie_fd_used: { help: 'File descriptors in use' },
  aerie_fd_limit: { help: 'File descriptors this process may have' },
  aerie_event_loop_delay_seconds: { help: '99th percentile of the event loop’s delay over the last 10 s' },
  aerie_sessions_unwritten: { help: 'Connections whose latest state the session registry does not have yet' },
  aerie_presence_unwritten: { help: 'Subscriptions whose latest state the presence does not have yet' },
  aerie_presence_channels: { help: 'Channels whose members somebody on this node watches' },
  aerie_drain_state: { help: '0 idle, 1 lame-duck, 2 draining, 3 drained' },
} as const satisfies Record<string, { help: string; label?: string }>;

export type GaugeName = keyof typeof GAUGES;
/** One number, or numbers by label value where the gauge has a label. */
export type GaugeReading = number | ReadonlyMap<string, number> | undefined;
export type HandshakeOutcome = 'accepted' | 'abandoned' | ErrorCode;
export type RecoveryOutcome = 'recovered' | 'lost';
export type PublicationOutcome = 'announced' | 'duplicate' | 'unavailable' | 'refused';

// 1005 and 1006 never travel, but are how most connections end.
const CLOSE_CODES = new Set([1005, 1006, ...Object.values(CLOSE).map(({ code }) => code)]);
const FAST_SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 30];

/**
 * What a node counts. One registry per instance, so that two applications in one process don't mix; no name is ever
 * registered in prom-client's global registry. Labels take their values from closed sets only.
 */
@Injectable()
export class RealtimeMetrics implements OnApplicationShutdown {
  readonly registry = new Registry();

  readonly connectionsOpened = this.#tally(
    'aerie_connections_opened_total',
    'Connections that got into the registry',
  );
  readonly messagesReceived = this.#tally('aerie_messages_received_total', 'Messages from clients');
  readonly framesSent = this.#tally('aerie_frames_sent_total', 'Frames handed to sockets');
  readonly bytesSent = this.#tally('aerie_bytes_sent_total', 'Bytes handed to sockets');
  readonly bytesReceived = this.#tally('aerie_bytes_received_total', 'Bytes of frames from clients');
  readonly slowConsumers = this.#tally('aerie_slow_consumers_total', 'Connections closed with 4008');
  readonly heartbeatTimeouts = this.#tally('aerie_heartbeat_timeouts_total', 'Connections that fell silent');
  readonly backplaneGaps = this.#tally(
    'aerie_backplane_gaps_total',
    'Times at which publications may have been missed',
  );
  readonly heals = this.#tally(
    'aerie_history_heals_total',
    'Readings that brought publications which the backplane had not',
  );
  readonly resyncs = this.#tally(
    'aerie_history_resyncs_total',
    'Members that were told that publications are lost to them',
  );

  readonly sweeps = this.#tally('aerie_sweeps_total', 'Sweeps of lost nodes, by this node');
  readonly stalls = this.#tally('aerie_stalls_total', 'Times at which this node stood still');

  readonly presenceResets = this.#tally(
    'aerie_presence_resets_total',
    'Times at which changes of a channel’s members were missed, and all of them sent again',
  );

  readonly #closed = this.#labelled(
    'aerie_connections_closed_total',
    'Ended connections by close code',
    'code',
  );
  readonly #handshakes = this.#labelled('aerie_handshakes_total', 'Handshakes by outcome', 'outcome');
  readonly #errors = this.#labelled('aerie_message_errors_total', 'Error replies by code', 'code');
  readonly #publications = this.#labelled('aerie_publications_total', 'Publications by outcome', 'outcome');
  readonly #shortPolls = this.#labelled(
    'aerie_short_polls_total',
    'Answered requests for a channel’s history, by outcome',
    'outcome',
  );
  readonly #recoveries = this.#labelled(
    'aerie_recoveries_total',
    'Subscriptions that came with a position, by outcome',
    'outcome',
  );
  readonly #handshakeSeconds = this.#histogram(
    'aerie_handshake_duration_seconds',
    'Upgrade request to answer',
  );
  readonly #messageSeconds = this.#histogram('aerie_message_duration_seconds', 'Message to reply');

  /** One ended connection. Codes outside the protocol's table count as `other`. */
  connectionClosed(code: number): void {
    this.#closed.inc(CLOSE_CODES.has(code) ? String(code) : 'other');
  }

  /** One answered handshake; `durationMs` from the upgrade request on. */
  handshake(outcome: HandshakeOutcome, durationMs: number): void {
    this.#handshakes.inc(outcome);
    this.#handshakeSeconds.observe(durationMs / 1_000);
  }

  /** One message whose handler has answered. */
  messageHandled(durationMs: number): void {
    this.#messageSeconds.observe(durationMs / 1_000);
  }

  messageError(code: ErrorCode): void {
    this.#errors.inc(code);
  }

  /** One subscription that came with a position. */
  recovery(outcome: RecoveryOutcome): void {
    this.#recoveries.inc(outcome);
  }

  /** One request for a channel's history that was answered: with a page, or with nothing as the client has it all. */
  shortPoll(outcome: 'read' | 'unchanged'): void {
    this.#shortPolls.inc(outcome);
  }

  publication(outcome: PublicationOutcome): void {
    this.#publications.inc(outcome);
  }

  /**
   * Shows a value that `read` finds at each scrape; `undefined` shows nothing. Returns what takes it away again. A name
   * has one reader: a second one throws.
   */
  observe(name: GaugeName, read: () => GaugeReading): () => void {
    const rule: { readonly help: string; readonly label?: string } = GAUGES[name];
    const gauge = new Gauge({
      name,
      help: rule.help,
      labelNames: rule.label === undefined ? [] : [rule.label],
      registers: [],
      collect() {
        this.reset();
        show(this, rule.label, read());
      },
    });
    this.registry.registerMetric(gauge);
    return () => this.registry.removeSingleMetric(name);
  }

  /** Forgets every metric and its readers. */
  onApplicationShutdown(): void {
    this.registry.clear();
  }

  #tally(name: string, help: string): Tally {
    const tally = new Tally();
    const counter = new Counter({
      name,
      help,
      registers: [],
      collect() {
        this.reset();
        this.inc(tally.value);
      },
    });
    this.registry.registerMetric(counter);
    return tally;
  }

  #labelled(name: string, help: string, label: string): Tallies {
    const tallies = new Tallies();
    const counter = new Counter({
      name,
      help,
      labelNames: [label],
      registers: [],
      collect() {
        this.reset();
        for (const [value, count] of tallies.values) this.inc({ [label]: value }, count);
      },
    });
    this.registry.registerMetric(counter);
    return tallies;
  }

  #histogram(name: string, help: string): Histogram {
    return new Histogram({ name, help, buckets: FAST_SECONDS, registers: [this.registry] });
  }
}

function show(gauge: Gauge, label: string | undefined, reading: GaugeReading): void {
  if (typeof reading === 'number') gauge.set(reading);
  else if (reading === undefined) gauge.remove();
  else if (label !== undefined) for (const [value, number] of reading) gauge.set({ [label]: value }, number);
}
