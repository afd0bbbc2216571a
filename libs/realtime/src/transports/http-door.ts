import type { IncomingMessage } from 'node:http';
import type { Transport } from '../connections/wire.js';
import type { Handshake, HandshakeAttempt } from '../handshake/handshake.js';
import type { HandshakeLog } from '../handshake/handshake-log.js';
import { adoptResponse } from '../handshake/handshake-request.js';
import { Visitor } from '../handshake/visitor.js';
import { queryOf } from '../http/request-target.js';
import type { RouteContext, RouteOutcome } from '../http/route.js';
import { Refusal } from '../refusal.js';
import { attemptOf, type AttemptSources, type Home } from './attempt.js';
import type { Arrival } from './entrance.js';
import { readEventId, type Whereabouts } from './event-id.js';
import type { OpeningChannels } from './http-entrance.js';
import { proofIn } from './upstream.js';
import { channelsIn } from './url-channels.js';

export interface HttpDoorOptions extends AttemptSources {
  readonly handshake: Handshake;
  readonly log: HandshakeLog;
  /** The gateway whose clients come in here, by its guards; undefined where there is none. */
  readonly home: () => Home | undefined;
}

/** What happens to whoever comes in; runs in the step of the handshake's last look. */
export type Enter = (arrival: Arrival, channels: OpeningChannels) => RouteOutcome | Promise<RouteOutcome>;

/** What somebody who opens no connection is answered. A refusal is logged as one of the door's. */
export type EnterVisit = (visitor: Visitor) => Promise<RouteOutcome>;

type Knock = ReturnType<typeof attemptOf<Home>>;
type HowToPass = Pick<HandshakeAttempt, 'proof' | 'isVisit'>;

/** What a request brings to open a connection with. */
interface Baggage extends OpeningChannels {
  /** What stands for the session of a client that comes back. */
  readonly proof: string | undefined;
}

const NOWHERE: Whereabouts = { proof: '', positions: new Map() };

/** The handshake of transports that come by plain requests: the same steps as an upgrade's. */
export class HttpDoor {
  constructor(private readonly options: HttpDoorOptions) {}

  /** For who opens a connection. */
  async admit(context: RouteContext, transport: Transport, enter: Enter): Promise<RouteOutcome> {
    const attempt = this.#attempt(context, transport);
    const baggage = baggageOf(context);
    if (baggage instanceof Refusal) return this.#refuse(attempt, baggage);
    const arrival = await this.#pass(attempt, { proof: baggage.proof });
    return arrival instanceof Refusal ? this.#refuse(attempt, arrival) : arrival && enter(arrival, baggage);
  }

  /** For who asks and is answered: the same questions, but none about room. */
  async visit(context: RouteContext, transport: Transport, enter: EnterVisit): Promise<RouteOutcome> {
    const attempt = this.#attempt(context, transport);
    const arrival = await this.#pass(attempt, { proof: proofIn(context.request), isVisit: true });
    if (arrival instanceof Refusal) return this.#refuse(attempt, arrival);
    const outcome = arrival && (await enter(new Visitor(arrival.session, arrival.request)));
    return outcome instanceof Refusal ? this.#refuse(attempt, outcome) : outcome;
  }

  #attempt(context: RouteContext, transport: Transport): Knock {
    const { home, platform } = this.options;
    const attempt = attemptOf(context.request, { transport, endpoint: home() }, this.options);
    return { ...attempt, response: adoptResponse(attempt.request, context.response, platform()) };
  }

  /** Undefined: there is nobody left to answer. */
  async #pass(attempt: Knock, how: HowToPass): Promise<Arrival | Refusal | undefined> {
    const { handshake, log } = this.options;
    const admitted = await handshake.admit({ ...attempt, ...how, isSilent: true });
    if (attempt.response.destroyed) {
      log.abandoned(attempt);
      return undefined;
    }
    if (admitted instanceof Refusal) return admitted;
    const { endpoint } = attempt;
    if (endpoint === undefined || !('session' in admitted)) return undefined;
    const { session } = admitted;
    const refusal = how.isVisit === true ? handshake.admitsVisit(session) : handshake.admits(session);
    return refusal ?? { ...attempt, endpoint, session };
  }

  #refuse(attempt: Knock, refusal: Refusal): Refusal | undefined {
    this.options.log.refused(attempt, refusal);
    // A guard may have answered by itself.
    return attempt.response.headersSent ? undefined : refusal;
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
  const [inQuery = '', ...more] = queryOf(request).getAll('lastEventId');
  const text = typeof header === 'string' ? header : inQuery;
  if (text === '') return NOWHERE;
  const read = more.length > 0 ? undefined : readEventId(text);
  return read ?? new Refusal('invalid', 'Last-Event-ID is none that was given here');
}
