import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { Refusal } from '@aerie/realtime';

/**
 * Refuses a request for a host that is neither `localhost` nor an address. A web page can point a name of its own at
 * 127.0.0.1 (DNS rebinding) and would then be of our origin; it can't do that to a name it doesn't own.
 */
export function foreignHost({ headers }: IncomingMessage): Refusal | undefined {
  const name = (headers.host ?? '').replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
  const isOwn = isIP(name) !== 0 || name === 'localhost' || name.endsWith('.localhost');
  return isOwn ? undefined : new Refusal('forbidden', 'dev routes answer for localhost and addresses only');
}
