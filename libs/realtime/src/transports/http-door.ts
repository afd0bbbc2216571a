import type { IncomingMessage } from 'node:http';
import type { Transport } from '../connections/wire.js';
import type { Handshake } from '../handshake/handshake.js';
import type { HandshakeLog } from '../handshake/handshake-log.js';
import { adoptResponse } from '../handshake/handshake-request.js';
import { queryOf } from '../http/request-target.js';
import type { RouteContext, RouteOutcome } from '../http/route.js';
import { Refusal } from '../refusal.js';
import { attemptOf, type AttemptSources, type Home } from './attempt.js';
import type { Arrival } from './entrance.js';
import { readEventId, type Whereabouts } from './event-id.js';
import type { OpeningChannels } from './http-entrance.js';
import { channelsIn } from './url-channels.js';

export interface HttpDoorOptions extends AttemptSources {
  readonly handshake: Handshake;
  readonly log: HandshakeLog;
  /** The gateway whose clients come in here, by its guards; undefined where there is none. */
  readonly home: () => Home | undefined;
}

/** What happens to whoever comes in; runs in the step of the handshake's last look. */
export type Enter = (arrival: Arrival, channels: OpeningChannels) => RouteOutcome | Promise<RouteOutcome>;

/** What a request brings to open a connection with. */
interface Baggage extends OpeningChannels {
  /** What stands for the session of a client that comes back. */
  readonly proof: string | undefined;
}

const NOWHERE: Whereabouts = { proof: '', positions: new Map() };

/** The handshake of transports that come by plain requests: the same steps as an upgrade's. */
export class HttpDoor {
  constructor(private readonly options: HttpDoorOptions) {}

  async admit(context: RouteContext, transport: Transport, enter: Enter): Promise<RouteOutcome> {
    const { handshake, log, home, platform } = this.options;
    const endpoint = home();
    const attempt = attemptOf(context.request, { transport, endpoint }, this.options);
    const response = adoptResponse(attempt.request, context.response, platform());
    const baggage = baggageOf(context);
    const admitted =
      baggage instanceof Refusal
        ? baggage
        : await handshake.admit({ ...attempt, response, proof: baggage.proof, isSilent: true });
    if (response.destroyed) {
      log.abandoned(attempt);
      return undefined;
    }
    const refusal = admitted instanceof Refusal ? admitted : this.#lastLook(admitted);
    if (refusal !== undefined) {
      log.refused(attempt, refusal);
      // A guard may have answered by itself.
      return response.headersSent ? undefined : refusal;
    }
    if (baggage instanceof Refusal || admitted instanceof Refusal) return undefined;
    if (endpoint === undefined || !('session' in admitted)) return undefined;
    return enter({ ...attempt, endpoint, session: admitted.session }, baggage);
  }

  #lastLook(admitted: Exclude<Awaited<ReturnType<Handshake['admit']>>, Refusal>): Refusal | undefined {
    return 'session' in admitted ? this.options.handshake.admits(admitted.session) : undefined;
  }
}

function baggageOf({ request, query }: RouteContext): Baggage | Refusal {
  const whereabouts = whereaboutsOf(request);
  if (whereabouts instanceof Refusal) return whereabouts;
  const { positions } = whereabouts;
  const wanted = channelsIn(query, positions);
  return wanted instanceof Refusal ? wanted : { wanted, positions, proof: proofOf(request, whereabouts) };
}

/** What stands for the session of a client that comes back: in its last id, or in a header of its own. */
function proofOf({ headers }: IncomingMessage, { proof }: Whereabouts): string | undefined {
  const own = headers['aerie-resume'];
  return (typeof own === 'string' ? own : proof) || undefined;
}

// An EventSource sends a header; who can't set one has the query.
function whereaboutsOf(request: IncomingMessage): Whereabouts | Refusal {
  const { 'last-event-id': header } = request.headers;
  const text = typeof header === 'string' ? header : queryOf(request).get('lastEventId');
  if (text === null || text === '') return NOWHERE;
  return readEventId(text) ?? new Refusal('invalid', 'Last-Event-ID is none that was given here');
}
