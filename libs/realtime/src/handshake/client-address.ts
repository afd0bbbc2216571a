import type { IncomingMessage } from 'node:http';
import { BlockList, isIP } from 'node:net';
import { canonicalAddress, networkOf } from './ip-address.js';
import { headerValues } from '../http/request-target.js';

const NAMED_NETWORKS: ReadonlyMap<string, readonly string[]> = new Map([
  ['loopback', ['127.0.0.0/8', '::1/128']],
  ['private', ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7']],
]);
const UNKNOWN = 'unknown';
const MAX_HOPS = 32;

export interface ClientAddressOptions {
  /** Proxies whose `X-Forwarded-*` are believed: CIDRs, addresses, `loopback`, `private`. Default: none. */
  readonly trustProxy?: readonly string[];
}

/** Where a request comes from, behind the proxies that are trusted and no further. */
export class ClientAddress {
  readonly #trusted = new BlockList();

  /** @throws TypeError that names the entry which is no network. */
  constructor({ trustProxy = [] }: ClientAddressOptions = {}) {
    for (const entry of trustProxy)
      for (const network of NAMED_NETWORKS.get(entry) ?? [entry]) addNetwork(this.#trusted, network);
  }

  /**
   * The rightmost address that is not a trusted proxy's: everything left of it was written by that client. Garbage ends
   * the walk at the last hop that is known. `unknown` for a socket without an address.
   */
  of(request: IncomingMessage): string {
    let address = canonicalAddress(request.socket.remoteAddress ?? '') ?? UNKNOWN;
    for (const hop of forwardedHops(request)) {
      if (!this.#trusts(address)) return address;
      const next = canonicalAddress(hop);
      if (next === undefined) return address;
      address = next;
    }
    return address;
  }

  /** Whether the peer of the socket itself is a trusted proxy. */
  isProxied(request: IncomingMessage): boolean {
    return this.#trusts(canonicalAddress(request.socket.remoteAddress ?? '') ?? UNKNOWN);
  }

  /** What failures are counted by: the address, or the /64 of an IPv6 address. */
  groupOf(address: string): string {
    const canonical = canonicalAddress(address) ?? UNKNOWN;
    return isIP(canonical) === 6 ? networkOf(canonical) : canonical;
  }

  #trusts(address: string): boolean {
    const family = isIP(address);
    return family !== 0 && this.#trusted.check(address, family === 4 ? 'ipv4' : 'ipv6');
  }
}

/** The hops of `X-Forwarded-For`, the nearest first; a port, as some proxies write it, is taken off. */
function forwardedHops(request: IncomingMessage): readonly string[] {
  const hops = headerValues(request, 'x-forwarded-for').join(',').split(',');
  if (hops.length === 1 && hops[0] === '') return [];
  return hops.slice(-MAX_HOPS).toReversed().map(withoutPort);
}

function withoutPort(hop: string): string {
  const text = hop.trim();
  const [, bracketed, dotted] = /^(?:\[([^\]]+)\](?::\d{1,5})?|([\d.]+):\d{1,5})$/.exec(text) ?? [];
  return bracketed ?? dotted ?? text;
}

function addNetwork(list: BlockList, entry: string): void {
  const [address = '', prefix, ...rest] = entry.split('/');
  const family = isIP(address);
  const bits = family === 4 ? 32 : 128;
  const length = prefix === undefined ? bits : /^\d{1,3}$/.test(prefix) ? Number(prefix) : Number.NaN;
  if (family === 0 || rest.length > 0 || !(length <= bits))
    throw new TypeError(
      `trustProxy: "${entry}" is neither a network nor one of ${[...NAMED_NETWORKS.keys()].join(', ')}`,
    );
  list.addSubnet(address, length, family === 4 ? 'ipv4' : 'ipv6');
}
