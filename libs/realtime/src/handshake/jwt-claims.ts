import { isUserId } from '@aerie/protocol';
import type { Session } from '../connections/session.js';
import type { Refusal } from '../refusal.js';
import type { CredentialSource } from './authenticator.js';
import type { JsonObject } from './decoded-jwt.js';
import { unauthenticated } from './refusals.js';

// A token in a URL ends up in logs and histories: it must be worthless before anybody reads those.
const QUERY_TOKEN_SECONDS = 60;
const QUERY_TOKEN_SKEW_SECONDS = 5;
const MAX_EPOCH_SECONDS = 8.64e12;

export interface ClaimRules {
  readonly audience: readonly string[] | undefined;
  readonly issuer: string | undefined;
  readonly leewaySeconds: number;
}

interface Occasion {
  readonly rules: ClaimRules;
  readonly source: CredentialSource;
  readonly nowSeconds: number;
}

type Check = (claims: JsonObject, occasion: Occasion) => string | undefined;

const CHECKS: readonly Check[] = [malformed, untimely, foreign, longLivedInUrl];

/** The session that verified claims stand for, or why they are not good enough. */
export function sessionOfClaims(
  claims: JsonObject,
  rules: ClaimRules,
  source: CredentialSource,
): Session | Refusal {
  const occasion = { rules, source, nowSeconds: Math.floor(Date.now() / 1000) };
  for (const check of CHECKS) {
    const fault = check(claims, occasion);
    if (fault !== undefined) return unauthenticated(fault);
  }
  return session(claims, occasion);
}

function malformed({ sub, exp, nbf, iat, session_exp, jti, tenant }: JsonObject): string | undefined {
  if (!isUserId(sub)) return 'invalid_sub';
  if (!isEpochSeconds(exp)) return 'invalid_exp';
  if (![nbf, iat, session_exp].every((time) => time === undefined || isEpochSeconds(time)))
    return 'invalid_time';
  if (jti !== undefined && typeof jti !== 'string') return 'invalid_jti';
  // Not to be ignored: whoever is scoped to a tenant must not become someone without one.
  if (tenant !== undefined && tenant !== null && !isUserId(tenant)) return 'invalid_tenant';
  return undefined;
}

function untimely(
  { exp, nbf, session_exp }: JsonObject,
  { rules: { leewaySeconds }, nowSeconds }: Occasion,
): string | undefined {
  if (Number(exp) + leewaySeconds <= nowSeconds) return 'expired';
  if (isEpochSeconds(session_exp) && session_exp + leewaySeconds <= nowSeconds) return 'session_expired';
  if (isEpochSeconds(nbf) && nbf > nowSeconds + leewaySeconds) return 'not_yet_valid';
  return undefined;
}

function foreign({ aud, iss }: JsonObject, { rules: { audience, issuer } }: Occasion): string | undefined {
  const audiences: readonly unknown[] = Array.isArray(aud) ? aud : [aud];
  if (audience && !audience.some((name) => audiences.includes(name))) return 'wrong_audience';
  return issuer !== undefined && iss !== issuer ? 'wrong_issuer' : undefined;
}

function longLivedInUrl({ iat, exp }: JsonObject, { source, nowSeconds }: Occasion): string | undefined {
  if (source !== 'query') return undefined;
  if (!isEpochSeconds(iat) || iat > nowSeconds + QUERY_TOKEN_SKEW_SECONDS) return 'query_token_iat';
  const lifeSeconds = Number(exp) - iat;
  return lifeSeconds > 0 && lifeSeconds <= QUERY_TOKEN_SECONDS ? undefined : 'query_token_life';
}

function session(claims: JsonObject, { rules, nowSeconds }: Occasion): Session {
  const { sub, tenant, exp, session_exp, iat, jti } = claims;
  const expiry = Number(session_exp ?? exp);
  return {
    user: String(sub),
    ...(typeof tenant === 'string' && { tenant }),
    claims,
    // Accepted by the leeway only: the session lives until that is over, or it would be closed as it opens.
    expiresAt: epochMs(expiry > nowSeconds ? expiry : expiry + rules.leewaySeconds),
    ...(isEpochSeconds(iat) && { issuedAt: epochMs(iat) }),
    ...(typeof jti === 'string' && { jti }),
  };
}

/** A JWT NumericDate that fits into a `Date`. */
export function isEpochSeconds(value: unknown): value is number {
  return typeof value === 'number' && Math.abs(value) <= MAX_EPOCH_SECONDS;
}

export function epochMs(seconds: number): number {
  return Math.round(seconds * 1000);
}
