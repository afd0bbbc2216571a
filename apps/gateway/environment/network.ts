import { isIP } from 'node:net';
import { Fault, field, listOf } from './field.js';

const PRIVATE = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7'];
const PROXY_NAMES: Readonly<Record<string, readonly string[]>> = {
  loopback: ['127.0.0.0/8', '::1/128'],
  linklocal: ['169.254.0.0/16', 'fe80::/10'],
  private: PRIVATE,
  uniquelocal: PRIVATE,
};
const REDIS = /^(?:redis|rediss|redis\+sentinel|redis\+cluster):\/\/[^\s/]+/;
const OTHER_ORIGIN = /^[a-z][a-z0-9+.-]*:\/\/[a-z0-9._:[\]-]+$/;
const LOOPBACK = /^(?:localhost|::1|127(?:\.\d{1,3}){3})$/;

/** Whether a listener on `host` is reached from this machine only. */
export function isLoopback(host: string): boolean {
  return LOOPBACK.test(host.toLowerCase());
}

/** Comma list of origins, compared as wholes later: scheme, host and port. */
export function origins() {
  return field((value): readonly string[] | Fault => {
    const list = listOf(value).map(originOf);
    if (list.length === 0) return new Fault('must name at least one');
    const wrong = list.indexOf(undefined);
    if (wrong >= 0)
      return new Fault(
        `entry ${wrong + 1}: must be an origin like https://app.example.com, without path or wildcard`,
      );
    return list.filter((origin) => origin !== undefined);
  });
}

/** The way a browser would send it: lower case, without a default port. */
function originOf(entry: string): string | undefined {
  const origin = entry.toLowerCase().replace(/\/$/, '');
  if (!OTHER_ORIGIN.test(origin) || !URL.canParse(origin)) return undefined;
  return /^https?:/.test(origin) ? new URL(origin).origin : origin;
}

/** Comma list of addresses, CIDRs and the names `loopback`, `linklocal`, `private` (or `uniquelocal`); read into CIDRs. */
export function proxies() {
  return field((value): readonly string[] | Fault => {
    const list = listOf(value).map(cidrsOf);
    const wrong = list.indexOf(undefined);
    if (wrong < 0) return list.flatMap((cidrs) => cidrs ?? []);
    return new Fault(
      `entry ${wrong + 1}: must be an address, a CIDR, or one of ${Object.keys(PROXY_NAMES).join(', ')}`,
    );
  });
}

function cidrsOf(entry: string): readonly string[] | undefined {
  if (Object.hasOwn(PROXY_NAMES, entry)) return PROXY_NAMES[entry];
  const [address = '', prefix, ...rest] = entry.split('/');
  const bits = { 0: 0, 4: 32, 6: 128 }[isIP(address)] ?? 0;
  if (bits === 0 || rest.length > 0) return undefined;
  if (prefix === undefined) return [`${address}/${bits}`];
  return /^\d{1,3}$/.test(prefix) && Number(prefix) <= bits ? [entry] : undefined;
}

/** Only the scheme and that there is a host: the driver knows the rest. The value may hold a password. */
export function redisUrl() {
  return field((value) =>
    REDIS.test(value)
      ? value
      : new Fault('must be a redis:, rediss:, redis+sentinel: or redis+cluster: URL with a host'),
  );
}
