import { isIP, SocketAddress } from 'node:net';

// The longest IPv6 text, with an embedded IPv4 address and a zone.
const MAX_LENGTH = 64;
const MAPPED = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/;

/** One spelling per address: IPv6 compressed and in lower case, without a zone; IPv4 in IPv6 as IPv4. Undefined for what is no address. */
export function canonicalAddress(text: string): string | undefined {
  const family = text.length > MAX_LENGTH ? 0 : isIP(text);
  if (family !== 6) return family === 4 ? text : undefined;
  const { address } = new SocketAddress({ address: text.replace(/%.*$/, ''), family: 'ipv6' });
  return MAPPED.exec(address)?.[1] ?? address;
}

/** The /64 of a canonical IPv6 address: the smallest network that one customer gets. */
export function networkOf(address: string): string {
  const [head = '', tail] = address.split('::');
  const front = head === '' ? [] : head.split(':');
  const behind = tail ? tail.split(':').length : 0;
  // Behind the front, `::` stands for as many zeros as are missing.
  const zeros = tail === undefined ? 0 : 8 - front.length - behind;
  const groups = [...front, ...Array.from({ length: zeros }, () => '0'), ...(tail ? tail.split(':') : [])];
  return `${groups.slice(0, 4).join(':')}::/64`;
}

/** What the log shows of an address: nothing that a proxy could have smuggled in. */
export function loggableAddress(address: string): string {
  return isIP(address) === 0 ? 'unknown' : address;
}
