import type { ServerResponse } from 'node:http';
import type { Admission, AdmissionRefusal } from '../connections/admission.js';
import type { Connection } from '../connections/connection.js';
import type { ConnectionRegistry } from '../connections/connection-registry.js';
import type { Session } from '../connections/session.js';
import { within } from '../deadline.js';
import { Deadlines } from '../deadlines.js';
import { Refusal } from '../refusal.js';
import type { UserPlaces } from '../sessions/user-places.js';
import type { HandshakeRequest } from './authenticator.js';
import type { FailureCounter } from './failure-counter.js';
import type { HandshakeGuards } from './handshake-guards.js';
import type { OriginPolicy } from './origin.js';
import { blocked, unauthenticated } from './refusals.js';
import { clearIdentity, sessionOf } from './request-identity.js';
import type { SessionAuthentication } from './session-authentication.js';
import type { SessionGuard } from './session.guard.js';
import { type Turn, Turns } from './turns.js';

const TOTAL_MS = 10_000;
/** More would be in each other's way: the rest waits in line. With an authenticator that takes 100 ms it is still 5,000 a second. */
const AT_ONCE = 500;

export interface HandshakeAttempt {
  readonly request: HandshakeRequest;
  readonly response: ServerResponse;
  /** The key under which failures of this client count. */
  readonly addressGroup: string;
  /** Undefined where no gateway listens on the path. */
  readonly guards: HandshakeGuards | undefined;
  /** Checks everything, consumes nothing. */
  readonly dryRun?: boolean;
  /** What an earlier connection was given to come back with. */
  readonly proof?: string | undefined;
  /** It opens no connection: it takes no place and needs none. */
  readonly isVisit?: boolean;
  /** The client has no way to send a first message: without a credential it is refused. */
  readonly isSilent?: boolean;
}

/** Come in as this session; or come in and say who you are in the first message. */
export type Admitted = { readonly session: Session } | { readonly quarantine: true };

export interface HandshakeOptions {
  readonly admission: Admission;
  readonly failures: FailureCounter;
  readonly origins: OriginPolicy;
  /** The first guard of every handshake. */
  readonly sessionGuard: SessionGuard;
  readonly authentication: SessionAuthentication;
  readonly registry: ConnectionRegistry;
  readonly places: Pick<UserPlaces, 'hasRoom'>;
  /** Connections that the node has accepted so far. */
  readonly accepted: () => number;
  /** Whether a client without a credential may authenticate by its first message. */
  readonly firstMessage: boolean;
  /** Connections per user, on all nodes together; undefined: no limit. */
  readonly maxConnectionsPerUser: number | undefined;
  /** Past the limit: refuse the newcomer, or let it replace the user's oldest connection. */
  readonly overflow: 'refuse' | 'replace';
}

/**
 * Decides about an upgrade before anything is accepted, step by step, cheapest first: drain, capacity, address, path, Origin,
 * credentials, guards. Each step can refuse; nothing here touches the socket.
 */
export class Handshake {
  readonly #options: HandshakeOptions;
  readonly #turns: Turns;
  readonly #deadlines = new Deadlines(TOTAL_MS);

  constructor(options: HandshakeOptions) {
    this.#options = options;
    this.#turns = new Turns({ atOnce: AT_ONCE, accepted: options.accepted });
  }

  /** Everything up to the upgrade, within 10 s in total. */
  async admit(attempt: HandshakeAttempt): Promise<Admitted | Refusal> {
    if (attempt.isVisit === true) return this.closed() ?? this.#inTurn(attempt);
    const noRoom = this.#capacity();
    if (noRoom !== undefined) return noRoom;
    const place = this.#options.admission.hold();
    try {
      return await this.#inTurn(attempt);
    } finally {
      place.release();
    }
  }

  /**
   * What the first message still owes: credentials, on the stored request. The guards come next. Its address may have been
   * blocked since it came in.
   */
  async authenticate(attempt: HandshakeAttempt, data: unknown): Promise<Session | Refusal> {
    return (await this.#address(attempt)) ?? this.#authenticate(attempt, data);
  }

  async #authenticate(attempt: HandshakeAttempt, data: unknown): Promise<Session | Refusal> {
    const session = await this.#options.authentication.authenticateMessage(attempt.request, data);
    if (session instanceof Refusal) this.#countFailure(attempt, session);
    return session;
  }

  /** Undefined: every guard let the stored request pass. */
  async guard(attempt: HandshakeAttempt): Promise<Refusal | undefined> {
    const refusal = await this.#guards(attempt);
    if (refusal !== undefined) this.#countFailure(attempt, refusal);
    return refusal;
  }

  /** The same for a live connection, within 10 s. Where it fails, the stored request is as it was: the old session stands. */
  async renew(attempt: HandshakeAttempt, data: unknown): Promise<Session | Refusal> {
    const { user } = sessionOf(attempt.request) ?? {};
    const restore = clearIdentity(attempt.request);
    try {
      const work = this.#identifyAgain(attempt, data);
      const renewed = await within(TOTAL_MS, work, () => {
        void undoWhenDone(work, attempt.request, restore);
        return tookTooLong();
      });
      if (renewed instanceof Refusal || renewed.user !== user) restore();
      return renewed;
    } catch (error) {
      restore();
      throw error;
    }
  }

  async #identifyAgain(attempt: HandshakeAttempt, data: unknown): Promise<Session | Refusal> {
    const session = await this.#authenticate(attempt, data);
    if (session instanceof Refusal) return session;
    return (await this.guard(attempt)) ?? this.#revoked(session) ?? session;
  }

  /** Whether a session that is who it says may come in; the user's place among all nodes is then kept for a moment. */
  async letsIn(session: Session, dryRun = false): Promise<Refusal | undefined> {
    return this.admits(session) ?? (await this.#limitAcrossNodes(session, dryRun)) ?? this.admits(session);
  }

  /** The last look, in the step that registers: the door may have closed, or the user's places been taken, meanwhile. */
  admits(session: Session): Refusal | undefined {
    return this.admitsVisit(session) ?? this.#userLimit(session);
  }

  /** The same for who takes nobody's place. */
  admitsVisit(session: Session): Refusal | undefined {
    return this.closed() ?? this.#revoked(session);
  }

  /** The door may have closed while the address was looked up: nobody is let into quarantine any more. */
  closed(): Refusal | undefined {
    return this.#options.admission.state === 'closed' ? refusalOf('draining') : undefined;
  }

  #revoked(session: Session): Refusal | undefined {
    return this.#options.authentication.isRevoked(session) ? unauthenticated('revoked') : undefined;
  }

  async #inTurn(attempt: HandshakeAttempt): Promise<Admitted | Refusal> {
    const turn = this.#turns.take();
    try {
      return await this.#deadlines.within(this.#stepsIn(turn, attempt), tookTooLong);
    } finally {
      turn.end();
    }
  }

  async #stepsIn({ come }: Turn, attempt: HandshakeAttempt): Promise<Admitted | Refusal> {
    const startedAt = performance.now();
    await come;
    // Nobody is there any more whom an answer could reach.
    const isOver = attempt.request.socket.destroyed || performance.now() - startedAt >= TOTAL_MS;
    return isOver ? tookTooLong() : this.#steps(attempt);
  }

  async #steps(attempt: HandshakeAttempt): Promise<Admitted | Refusal> {
    const refusal =
      (await this.#address(attempt)) ?? this.#path(attempt) ?? this.#options.origins.check(attempt.request);
    if (refusal !== undefined) return refusal;
    const admitted = await this.#identify(attempt);
    if (admitted instanceof Refusal) this.#countFailure(attempt, admitted);
    return admitted;
  }

  #capacity(): Refusal | undefined {
    const why = this.#options.admission.refuses();
    return why === undefined ? undefined : refusalOf(why);
  }

  async #address({ addressGroup }: HandshakeAttempt): Promise<Refusal | undefined> {
    const blockedMs = await this.#options.failures.blockedForMs(addressGroup);
    return blockedMs > 0 ? blocked(blockedMs) : undefined;
  }

  #path({ guards }: HandshakeAttempt): Refusal | undefined {
    return guards === undefined ? new Refusal('not_found', 'no gateway at this path') : undefined;
  }

  async #identify(attempt: HandshakeAttempt): Promise<Admitted | Refusal> {
    const { request, dryRun = false, proof, isSilent = false, isVisit = false } = attempt;
    const mayWait = this.#options.firstMessage && !isSilent;
    if (mayWait && !this.#options.authentication.hasCredential(request)) return { quarantine: true };
    const session = await this.#options.sessionGuard.admit(request, { dryRun, proof });
    if (session instanceof Refusal) return session;
    const refusal = await this.#guards(attempt);
    if (refusal !== undefined || isVisit) return refusal ?? { session };
    return (await this.letsIn(session, dryRun)) ?? { session };
  }

  #guards({ guards, request, response }: HandshakeAttempt): Promise<Refusal | undefined> {
    return guards === undefined ? Promise.resolve(undefined) : guards.run(request, response);
  }

  // What this node knows by itself, also while Redis is away.
  #userLimit({ user }: Session): Refusal | undefined {
    const { maxConnectionsPerUser: max, overflow, registry } = this.#options;
    const hasRoom = max === undefined || overflow === 'replace' || openOf(registry.ofUser(user)) < max;
    return hasRoom ? undefined : tooManyOfUser();
  }

  async #limitAcrossNodes({ user }: Session, dryRun: boolean): Promise<Refusal | undefined> {
    return (await this.#options.places.hasRoom(user, { dryRun })) ? undefined : tooManyOfUser();
  }

  // Only what looks like guessing counts; a crowd behind one address that logs in correctly does not.
  #countFailure({ addressGroup }: HandshakeAttempt, refusal: Refusal): void {
    if (refusal.code === 'unauthenticated' || refusal.code === 'forbidden')
      void this.#options.failures.record(addressGroup).catch(() => undefined);
  }
}

function tooManyOfUser(): Refusal {
  return new Refusal('rate_limited', 'too many connections of this user', {
    retryAfterSeconds: 5,
    reason: 'user_limit',
  });
}

// One that is saying goodbye takes nobody's place.
function openOf(connections: Iterable<Connection>): number {
  let open = 0;
  for (const { isOpen } of connections) if (isOpen) open += 1;
  return open;
}

// An answer that comes after its deadline must not say on the stored request who it is from. A later renewal's stays.
async function undoWhenDone(
  work: Promise<Session | Refusal>,
  request: HandshakeRequest,
  restore: () => void,
): Promise<void> {
  const late = await work.catch(() => undefined);
  const shown = sessionOf(request);
  if (shown === undefined || shown === late) restore();
}

function tookTooLong(): Refusal {
  return new Refusal('timeout', 'the handshake took too long', { status: 408 });
}

function refusalOf(why: AdmissionRefusal): Refusal {
  if (why === 'draining')
    return new Refusal('draining', 'this node is shutting down', { retryAfterSeconds: 1 });
  return new Refusal('overloaded', 'this node is full', { retryAfterSeconds: 5, reason: why });
}
