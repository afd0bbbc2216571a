import { createHmac, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto';
import { isUserId } from '@aerie/protocol';
import { hasExpired, type Session } from '../connections/session.js';
import { Refusal } from '../refusal.js';
import { unauthenticated } from './refusals.js';

const KEY_BYTES = 32;
const LIFE_MS = 24 * 60 * 60 * 1000;
/** A proof is used at least half of its life before another is made. */
const FRESH_MS = LIFE_MS / 2;
/** It travels in a header, with up to 32 positions beside it. */
const MAX_PROOF_BYTES = 4 * 1024;

interface Proof {
  readonly text: string;
  readonly issuedAt: number;
}

/** The session, in as few bytes as it takes: this is sent with every position. */
interface Sealed {
  readonly u: string;
  readonly t?: string | undefined;
  readonly c: Readonly<Record<string, unknown>>;
  readonly e?: number | undefined;
  readonly i?: number | undefined;
  readonly j?: string | undefined;
  /** Epoch milliseconds until which the proof is good. */
  readonly x: number;
}

/**
 * Signed stand-ins for a session, for clients that come back with a URL whose credential is used up (an EventSource). Good on
 * every node with the same secret until the session ends, 24 h at most. HMAC-SHA256 (RFC 2104) under a key derived by HKDF.
 */
export class ResumeProofs {
  readonly #keys: readonly Buffer[];
  readonly #issued = new WeakMap<Session, Proof>();

  /** @param secrets The first one signs, all of them are believed. Without any, proofs are good on this process only. */
  constructor(secrets: readonly string[]) {
    this.#keys = secrets.length > 0 ? secrets.map(keyFrom) : [randomBytes(KEY_BYTES)];
  }

  /** Secret: worth the session. Empty where the session's claims are too large to travel in a header. */
  of(session: Session): string {
    const known = this.#issued.get(session);
    const now = Date.now();
    if (known !== undefined && now - known.issuedAt < FRESH_MS) return known.text;
    const text = this.#issue(session, now);
    this.#issued.set(session, { text, issuedAt: now });
    return text;
  }

  /** The session behind a proof. */
  check(proof: string): Session | Refusal {
    if (proof.length > MAX_PROOF_BYTES) return unauthenticated('malformed_proof');
    const [body = '', given = '', ...more] = proof.split('.');
    const good = more.length === 0 && this.#keys.some((key) => signs(key, body, given));
    const sealed = good ? opened(body) : undefined;
    if (sealed === undefined) return unauthenticated('bad_proof');
    const session = sessionIn(sealed);
    return sealed.x <= Date.now() || hasExpired(session) ? unauthenticated('session_expired') : session;
  }

  #issue({ user, tenant, claims, expiresAt, issuedAt, jti }: Session, now: number): string {
    const until = Math.min(expiresAt ?? Infinity, now + LIFE_MS);
    const sealed: Sealed = { u: user, t: tenant, c: claims, e: expiresAt, i: issuedAt, j: jti, x: until };
    const body = Buffer.from(JSON.stringify(sealed)).toString('base64url');
    const [key] = this.#keys;
    const text = key === undefined ? '' : `${body}.${signature(key, body).toString('base64url')}`;
    return text.length > MAX_PROOF_BYTES ? '' : text;
  }
}

function keyFrom(secret: string): Buffer {
  return Buffer.from(hkdfSync('sha256', secret, 'aerie', 'resume proofs, version 1', KEY_BYTES));
}

function signature(key: Buffer, body: string): Buffer {
  return createHmac('sha256', key).update(body).digest();
}

function signs(key: Buffer, body: string, given: string): boolean {
  const bytes = Buffer.from(given, 'base64url');
  const expected = signature(key, body);
  return bytes.byteLength === expected.byteLength && timingSafeEqual(bytes, expected);
}

// Signed by us, perhaps by another version of us.
function opened(body: string): Sealed | undefined {
  try {
    const sealed = JSON.parse(Buffer.from(body, 'base64url').toString('utf8')) as Partial<Sealed> | null;
    const isWhole = isUserId(sealed?.u) && typeof sealed.x === 'number' && typeof sealed.c === 'object';
    return isWhole ? (sealed as Sealed) : undefined;
  } catch {
    return undefined;
  }
}

function sessionIn({ u, t, c, e, i, j }: Sealed): Session {
  return {
    user: u,
    claims: c,
    ...(t !== undefined && { tenant: t }),
    ...(e !== undefined && { expiresAt: e }),
    ...(i !== undefined && { issuedAt: i }),
    ...(j !== undefined && { jti: j }),
  };
}
