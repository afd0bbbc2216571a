import { createHash, timingSafeEqual } from 'node:crypto';

/** What a key may do; each scope includes the ones before it. */
export const API_SCOPES = ['read', 'publish', 'admin'] as const;
export type ApiScope = (typeof API_SCOPES)[number];

export interface ApiKey {
  /** For logs; unique among the keys. */
  readonly name: string;
  readonly scope: ApiScope;
  /** What callers send as `Authorization: Bearer <secret>`. Never logged. */
  readonly secret: string;
}

export type ParsedApiKeys =
  | { readonly ok: true; readonly keys: readonly ApiKey[] }
  /** What is wrong with which entry; never an entry itself. */
  | { readonly ok: false; readonly faults: readonly string[] };

/** Reads `name:scope:secret,...`; an entry without a colon is a bare secret and an admin key. */
export function parseApiKeys(text: string): ParsedApiKeys {
  const entries = text.split(',').map((entry) => entry.trim());
  const parsed = entries.filter((entry) => entry !== '').map(parseEntry);
  const keys = parsed.filter((entry) => typeof entry !== 'string');
  const faults = [...parsed.filter((entry) => typeof entry === 'string'), ...repeated(keys)];
  return faults.length > 0 ? { ok: false, faults } : { ok: true, keys };
}

function parseEntry(entry: string, index: number): ApiKey | string {
  const [name = '', scope, ...rest] = entry.split(':');
  const position = index + 1;
  if (scope === undefined) return { name: `key-${position}`, scope: 'admin', secret: entry };
  const secret = rest.join(':');
  if (name === '' || secret === '') return `entry ${position} is not name:scope:secret`;
  if (!isScope(scope)) return `entry ${position} has none of the scopes ${API_SCOPES.join(', ')}`;
  return { name, scope, secret };
}

function repeated(keys: readonly ApiKey[]): readonly string[] {
  const isUnique = (field: 'name' | 'secret'): boolean =>
    new Set(keys.map((key) => key[field])).size === keys.length;
  return [
    ...(isUnique('name') ? [] : ['a name stands twice']),
    ...(isUnique('secret') ? [] : ['a secret stands twice']),
  ];
}

function isScope(value: string): value is ApiScope {
  return (API_SCOPES as readonly string[]).includes(value);
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
