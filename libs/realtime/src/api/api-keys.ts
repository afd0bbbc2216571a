import { createHash, timingSafeEqual } from 'node:crypto';

/** What a key may do: `read` sees, `publish` also sends, `admin` also disconnects and revokes. */
export const API_SCOPES = ['read', 'publish', 'admin'] as const;
export type ApiScope = (typeof API_SCOPES)[number];

export interface ApiKey {
  /** For logs; unique among the keys. */
  readonly name: string;
  readonly scope: ApiScope;
  /** What callers send as `Authorization: Bearer <secret>`. Never logged. */
  readonly secret: string;
}

/** Whether a key of scope `held` may do what needs `needed`. */
export function includesScope(held: ApiScope, needed: ApiScope): boolean {
  return API_SCOPES.indexOf(held) >= API_SCOPES.indexOf(needed);
}

/** The keys of the server API, kept as digests. */
export class ApiKeyRing {
  readonly #entries: readonly { readonly digest: Buffer; readonly key: Omit<ApiKey, 'secret'> }[];

  constructor(keys: readonly ApiKey[]) {
    this.#entries = keys.map(({ name, scope, secret }) => ({ digest: sha256(secret), key: { name, scope } }));
  }

  /** The key with this secret. Looks at every key, each in constant time, so that the time taken tells nothing. */
  find(secret: string): Omit<ApiKey, 'secret'> | undefined {
    const digest = sha256(secret);
    let found: Omit<ApiKey, 'secret'> | undefined;
    for (const entry of this.#entries) if (timingSafeEqual(entry.digest, digest)) found = entry.key;
    return found;
  }
}

function sha256(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
