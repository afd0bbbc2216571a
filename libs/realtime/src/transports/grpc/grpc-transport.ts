import type { Handshake } from '../../handshake/handshake.js';
import type { HandshakeLog } from '../../handshake/handshake-log.js';
import { requestOfUpgrade } from '../../handshake/handshake-request.js';
import { Refusal } from '../../refusal.js';
import { type Attempt, attemptOf, type AttemptSources, type Home } from '../attempt.js';
import type { Arrival, Entrance } from '../entrance.js';
import { requestOfCall } from './call-request.js';
import type { GrpcCall } from './grpc-call.js';
import { GrpcLink } from './grpc-link.js';
import { statusOfRefusal } from './grpc-status.js';
import { GrpcWire } from './grpc-wire.js';
import { SessionPings } from './session-pings.js';

export interface GrpcTransportOptions extends AttemptSources {
  readonly handshake: Handshake;
  readonly log: HandshakeLog;
  readonly entrance: Entrance;
  /** The gateway whose clients come in here, by its guards; undefined where there is none. */
  readonly home: () => Home | undefined;
  readonly homePath: string;
}

/** `Connect`: turns calls into connections, by way of the handshake. Refusals are the call's status. */
export class GrpcTransport {
  readonly #options: GrpcTransportOptions;
  readonly #pings = new SessionPings();

  constructor(options: GrpcTransportOptions) {
    this.#options = options;
  }

  async connect(call: GrpcCall): Promise<void> {
    const { log } = this.#options;
    try {
      await this.#admit(call);
    } catch (error) {
      log.fault(error);
      call.end(statusOfRefusal(new Refusal('unavailable', 'the handshake failed', { retryAfterSeconds: 5 })));
    }
  }

  async #admit(call: GrpcCall): Promise<void> {
    const { handshake, log, home, homePath } = this.#options;
    const endpoint = home();
    const way = { transport: 'grpc', endpoint, prepare: requestOfUpgrade } as const;
    const attempt = attemptOf(requestOfCall(call, homePath), way, this.#options);
    const admitted = await handshake.admit({ ...attempt, isSilent: true });
    if (call.isOver) return log.abandoned(attempt);
    if (admitted instanceof Refusal) return this.#refuse(call, attempt, admitted);
    if (endpoint === undefined || !('session' in admitted)) return;
    const { session } = admitted;
    const late = handshake.admits(session);
    if (late !== undefined) return this.#refuse(call, attempt, late);
    this.#open(call, { ...attempt, endpoint, session });
  }

  #refuse(call: GrpcCall, attempt: Attempt, refusal: Refusal): void {
    this.#options.log.refused(attempt, refusal);
    call.end(statusOfRefusal(refusal));
  }

  #open(call: GrpcCall, arrival: Arrival): void {
    const wire = new GrpcWire(call, this.#pings);
    call.begin();
    this.#options.entrance.open(arrival, wire, {
      link: (client, ports) => new GrpcLink(wire, client, ports),
    });
  }
}
