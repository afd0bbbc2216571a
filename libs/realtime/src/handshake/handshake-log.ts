import type { ErrorCode } from '@aerie/protocol';
import { Logger } from '@nestjs/common';
import type { Connection } from '../connections/connection.js';
import type { Transport } from '../connections/wire.js';
import type { RealtimeMetrics } from '../metrics/meter.js';
import type { Refusal } from '../refusal.js';
import { loggableAddress } from './ip-address.js';

export interface LoggedAttempt {
  readonly address: string;
  readonly startedAt: number;
  readonly transport: Transport;
  readonly endpoint: { readonly path: { readonly path: string } } | undefined;
}

interface Line {
  readonly outcome: 'accepted' | 'abandoned' | ErrorCode;
  readonly status?: number;
  readonly reason?: string;
  readonly user?: string;
  readonly connection?: string;
}

/** One structured line and one count per handshake. Paths are patterns: nothing that the client sent is in a line but its verified user. */
export class HandshakeLog {
  readonly #logger = new Logger('AerieHandshake');

  constructor(private readonly metrics: RealtimeMetrics) {}

  accepted(attempt: LoggedAttempt, connection: Connection): void {
    this.#write(attempt, {
      outcome: 'accepted',
      status: attempt.transport === 'websocket' ? 101 : 200,
      user: connection.session.user,
      connection: connection.id,
    });
  }

  refused(attempt: LoggedAttempt, { code, status, reason }: Refusal): void {
    this.#write(attempt, { outcome: code, status, reason });
  }

  /** The client went away before it was answered. */
  abandoned(attempt: LoggedAttempt): void {
    this.#write(attempt, { outcome: 'abandoned' });
  }

  fault(error: unknown): void {
    this.#logger.error('a handshake failed', error instanceof Error ? error.stack : undefined);
  }

  #write({ address, startedAt, endpoint, transport }: LoggedAttempt, line: Line): void {
    const durationMs = Math.round((performance.now() - startedAt) * 10) / 10;
    this.metrics.handshake(line.outcome, durationMs);
    this.#logger.log({
      message: 'handshake',
      ...line,
      transport,
      path: endpoint?.path.path ?? null,
      address: loggableAddress(address),
      durationMs,
    });
  }
}
