import { API_SCOPES, type ApiKey, type ApiScope } from '@aerie/realtime/api';
import { Fault, field, listOf } from './field.js';

const NAME = /^[A-Za-z0-9_.-]{1,64}$/;
// What can travel in an Authorization header.
const SECRET = /^[\x21-\x7e]+$/;

/**
 * `name:scope:secret,...`; a bare secret is the admin key `default`. Faults name an entry by its number only, as a
 * mistyped entry may have its secret anywhere.
 */
export function apiKeys(minSecretBytes: number) {
  return field((value): readonly ApiKey[] | Fault => {
    const keys: ApiKey[] = [];
    for (const [index, entry] of listOf(value).entries()) {
      const key = readKey(entry, minSecretBytes) ?? new Fault('want name:scope:secret, or a bare secret');
      const fault = key instanceof Fault ? key : repeated(key, keys);
      if (fault) return new Fault(`entry ${index + 1}: ${fault.message}`);
      if (!(key instanceof Fault)) keys.push(key);
    }
    return keys.length > 0 ? keys : new Fault('must name at least one key');
  });
}

function readKey(entry: string, minSecretBytes: number): ApiKey | Fault | undefined {
  const parts = entry.split(':');
  const [name = '', scope = '', ...rest] = parts.length === 1 ? ['default', 'admin', entry] : parts;
  const secret = rest.join(':');
  if (!NAME.test(name) || !SECRET.test(secret)) return undefined;
  if (!isScope(scope)) return new Fault(`the scope must be one of ${API_SCOPES.join(', ')}`);
  if (secret.length < minSecretBytes)
    return new Fault(`the secret must have at least ${minSecretBytes} bytes`);
  return { name, scope, secret };
}

function repeated(key: ApiKey, keys: readonly ApiKey[]): Fault | undefined {
  if (keys.some(({ name }) => name === key.name)) return new Fault('its name is taken by an earlier entry');
  if (keys.some(({ secret }) => secret === key.secret))
    return new Fault('its secret is that of an earlier entry');
  return undefined;
}

function isScope(value: string): value is ApiScope {
  return API_SCOPES.some((scope) => scope === value);
}
