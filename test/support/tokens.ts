import { createHmac } from 'node:crypto';

export const JWT_SECRET = 'a-secret-of-the-tests-alone-32-bytes-long';

export type Claims = Readonly<Record<string, unknown>>;

/** Signs whatever claims and header it is given, good or bad. */
export function signJwt(
  claims: Claims,
  { secret = JWT_SECRET, header }: { secret?: string; header?: Claims } = {},
): string {
  const input = `${encoded({ alg: 'HS256', typ: 'JWT', ...header })}.${encoded(claims)}`;
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`;
}

function encoded(part: Claims): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url');
}

/** A token that any gateway of the tests takes for `user`, valid for an hour unless the claims say otherwise. */
export function tokenFor(user: string, claims: Claims = {}): string {
  return signJwt({ sub: user, exp: nowSeconds() + 3_600, iat: nowSeconds(), ...claims });
}

export function nowSeconds(): number {
  return Math.floor(Date.now() / 1_000);
}
