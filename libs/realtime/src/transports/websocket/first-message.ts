import type { Socket } from 'node:net';
import { CLOSE, type Close, type MessageId, SYSTEM } from '@aerie/protocol';
import type { Session } from '../../connections/session.js';
import type { Quarantine, Quarantined } from '../../handshake/quarantine.js';
import { decoderOf } from '../../messages/frame-decoder.js';
import { Refusal } from '../../refusal.js';
import type { ServerSocket, SocketListener } from './server-socket.js';

const QUARANTINE_BYTES = 4 * 1024;

export interface EarlyFrame {
  readonly data: Buffer;
  readonly isBinary: boolean;
}

export interface EarlyFrames {
  /** What came after the `$auth`, in order. */
  readonly frames: readonly EarlyFrame[];
  /** The `$auth`'s own id, where it wants a reply. */
  readonly authId?: MessageId;
}

export interface FirstMessageOptions {
  readonly ws: ServerSocket;
  readonly socket: Socket;
  readonly addressGroup: string;
  readonly quarantine: Quarantine;
  readonly authenticate: (data: unknown) => Promise<Session | Refusal>;
  /** Runs the guards; undefined: all said yes. */
  readonly guard: () => Promise<Refusal | undefined>;
  readonly letsIn: (session: Session) => Promise<Refusal | undefined>;
  readonly onAuthenticated: (session: Session, early: EarlyFrames) => void;
  readonly onRefused: (refusal: Refusal) => void;
  /** It went away, or broke the protocol, before it said who it is. */
  readonly onAbandoned: () => void;
}

/** A socket in quarantine: it gets one `$auth`, 4 KiB in total and 5 s, and is sent nothing. */
export class FirstMessage implements Quarantined, SocketListener {
  readonly addressGroup: string;
  readonly #options: FirstMessageOptions;
  readonly #later: EarlyFrame[] = [];
  #bytes = 0;
  #messageBytes = 0;
  #authenticating = false;
  #over = false;

  constructor(options: FirstMessageOptions) {
    this.#options = options;
    this.addressGroup = options.addressGroup;
  }

  begin(): void {
    const { ws, socket, quarantine } = this.#options;
    socket.on('data', this.#arrived);
    ws.hearWith(this);
    quarantine.add(this);
  }

  /** Its time is up, its place was taken, or the node stops. */
  close(close: Close): void {
    // It said who it is in time: that this could not be checked is ours, and coming back at once would not help.
    if (this.#authenticating && close === CLOSE.authTimeout)
      return this.#refuse(
        CLOSE.overloaded,
        new Refusal('unavailable', 'not checked in time', { reason: 'slow_auth' }),
      );
    this.#refuse(close, new Refusal('unauthenticated', close.reason, { reason: 'no_auth' }));
  }

  readonly #arrived = (chunk: Buffer): void => {
    this.#bytes += chunk.byteLength;
    if (this.#bytes > QUARANTINE_BYTES) this.#tooMuch();
  };

  onMessage(data: unknown, isBinary: boolean): void {
    if (this.#over || !Buffer.isBuffer(data)) return;
    // Compressed, more may have come than the bytes that arrived.
    this.#messageBytes += data.byteLength;
    if (this.#messageBytes > QUARANTINE_BYTES) this.#tooMuch();
    else if (this.#authenticating) this.#later.push({ data, isBinary });
    else void this.#first({ data, isBinary });
  }

  onError(): void {
    this.#abandoned();
  }

  onClose(): void {
    this.#abandoned();
  }

  async #first({ data, isBinary }: EarlyFrame): Promise<void> {
    this.#authenticating = true;
    const decoded = decoderOf(this.#options.ws.protocol)(data, isBinary);
    if (!decoded.ok || decoded.message.event !== SYSTEM.auth)
      return this.#refuse(
        CLOSE.policy,
        new Refusal('unauthenticated', 'the first message must be $auth', { reason: 'first_message' }),
      );
    const { data: credential, id } = decoded.message;
    const session = await this.#authenticated(credential);
    if (this.#over || session === undefined) return;
    this.#leave();
    const early = { frames: this.#later, ...(id !== undefined && { authId: id }) };
    try {
      this.#options.onAuthenticated(session, early);
    } catch {
      this.#options.ws.terminate();
    }
  }

  /** Undefined where someone said no, and the socket is told so. */
  async #authenticated(credential: unknown): Promise<Session | undefined> {
    const { authenticate, guard, letsIn } = this.#options;
    const session = await orUnavailable(() => authenticate(credential));
    if (session instanceof Refusal) return this.#refuse(closeFor(session), session);
    const guarded = await orUnavailable(guard);
    if (guarded !== undefined) return this.#refuse(closeForGuard(guarded), guarded);
    const late = await letsIn(session);
    return late === undefined ? session : this.#refuse(closeFor(late), late);
  }

  #tooMuch(): void {
    this.#refuse(CLOSE.policy, new Refusal('too_large', 'too much before $auth'));
  }

  #refuse(close: Close, refusal: Refusal): undefined {
    if (this.#over) return;
    this.#leave();
    this.#options.onRefused(refusal);
    this.#options.ws.close(close.code, close.reason);
  }

  #abandoned(): void {
    if (this.#over) return;
    this.#leave();
    this.#options.onAbandoned();
  }

  #leave(): void {
    if (this.#over) return;
    this.#over = true;
    const { socket, quarantine } = this.#options;
    quarantine.release(this);
    socket.off('data', this.#arrived);
  }
}

async function orUnavailable<Answer>(ask: () => Promise<Answer>): Promise<Answer | Refusal> {
  try {
    return await ask();
  } catch {
    return new Refusal('unavailable', 'authentication failed', { reason: 'fault' });
  }
}

// The token was good: another one would not help, even where the guard calls it a 401.
function closeForGuard(refusal: Refusal): Close {
  return refusal.code === 'unauthenticated' ? CLOSE.policy : closeFor(refusal);
}

function closeFor(refusal: Refusal): Close {
  if (refusal.code === 'unauthenticated') return CLOSE.tokenInvalid;
  if (refusal.code === 'draining') return CLOSE.goingAway;
  if (refusal.status >= 500 || refusal.code === 'rate_limited') return CLOSE.overloaded;
  return CLOSE.policy;
}
