import type { IncomingMessage } from 'node:http';
import type { FailureCounter } from '../handshake/failure-counter.js';
import { blocked } from '../handshake/refusals.js';
import { Refusal } from '../refusal.js';
import { includesScope, type ApiKeyRing, type ApiScope } from './api-keys.js';

interface ApiAccessDeps {
  readonly keys: ApiKeyRing;
  readonly failures: FailureCounter;
  /** The caller's address, behind trusted proxies too. */
  readonly addressOf: (request: IncomingMessage) => string;
}

/** Lets a request with the right API key through, and slows down whoever guesses keys. */
export class ApiAccess {
  constructor(private readonly deps: ApiAccessDeps) {}

  /** 401 without a known key, 403 where its scope is too small, 429 after too many wrong keys from one address. */
  async check(request: IncomingMessage, needed: ApiScope): Promise<Refusal | undefined> {
    const address = this.deps.addressOf(request);
    const blockedMs = await this.deps.failures.blockedForMs(address);
    if (blockedMs > 0) return blocked(blockedMs);
    const secret = bearerOf(request);
    if (secret === undefined) return new Refusal('unauthenticated', 'send Authorization: Bearer <API key>');
    return this.#checkKey({ secret, address, needed });
  }

  async #checkKey(call: { secret: string; address: string; needed: ApiScope }): Promise<Refusal | undefined> {
    const key = this.deps.keys.find(call.secret);
    if (!key) {
      await this.deps.failures.record(call.address);
      return new Refusal('unauthenticated', 'unknown API key');
    }
    if (includesScope(key.scope, call.needed)) return undefined;
    return new Refusal('forbidden', `this needs an API key of scope ${call.needed}`);
  }
}

function bearerOf({ headers }: IncomingMessage): string | undefined {
  return /^Bearer +([^\s]+) *$/i.exec(headers.authorization ?? '')?.[1];
}
