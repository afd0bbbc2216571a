import type { JwtService } from '@nestjs/jwt';
import type { Session } from '../connections/session.js';
import { Refusal } from '../refusal.js';
import type { JwtOptions } from './auth-options.js';
import { Authenticator, type Credential, type HandshakeRequest } from './authenticator.js';
import { MAX_CREDENTIAL_BYTES } from './credentials.js';
import { decodeJwt, type JsonObject } from './decoded-jwt.js';
import { sessionOfClaims, type ClaimRules } from './jwt-claims.js';
import { JwksVerifier } from './jwks-verifier.js';
import { unauthenticated } from './refusals.js';
import { SecretVerifier } from './secret-verifier.js';
import type { TokenHeader, TokenVerifier } from './token-verifier.js';

const DEFAULT_LEEWAY_SECONDS = 5;

/**
 * Verifies JWTs. The algorithm family decides who verifies, and each verifier has only its own kind of key: a public key
 * is never tried as an HMAC secret. Header fields that bring their own keys (`jku`, `jwk`, `x5u`) are not looked at.
 */
export class JwtAuthenticator extends Authenticator {
  readonly #verifiers: readonly TokenVerifier[];
  readonly #rules: ClaimRules;
  readonly #typ: string | undefined;

  /** @throws TypeError for an empty secret or a JWKS URL that is not http or https. */
  constructor(jwt: JwtService, options: JwtOptions) {
    super();
    const { audience, issuer, typ, leewaySeconds = DEFAULT_LEEWAY_SECONDS } = options;
    this.#verifiers = verifiersOf(jwt, { ...options, leewaySeconds });
    this.#rules = { audience: audience === undefined ? undefined : [audience].flat(), issuer, leewaySeconds };
    this.#typ = typ === undefined ? undefined : mediaType(typ);
  }

  async authenticate(
    _request: HandshakeRequest,
    credential: Credential | undefined,
  ): Promise<Session | Refusal> {
    if (!credential) return unauthenticated('no_credential');
    const claims = await this.#verify(credential.value);
    return claims instanceof Refusal ? claims : sessionOfClaims(claims, this.#rules, credential.source);
  }

  async #verify(token: string): Promise<JsonObject | Refusal> {
    if (token.length > MAX_CREDENTIAL_BYTES) return unauthenticated('credential_too_long');
    const header = this.#headerOf(token);
    if (header instanceof Refusal) return header;
    const verifier = this.#verifiers.find(({ algorithms }) => algorithms.includes(header.alg));
    return verifier ? verifier.verify(token, header) : unauthenticated('algorithm');
  }

  #headerOf(token: string): TokenHeader | Refusal {
    const { alg, kid, crit, typ } = decodeJwt(token)?.header ?? {};
    if (typeof alg !== 'string') return unauthenticated('malformed_token');
    // We understand no extension, so that every critical one is unknown.
    if (crit !== undefined) return unauthenticated('critical_extension');
    if (this.#typ !== undefined && (typeof typ !== 'string' || mediaType(typ) !== this.#typ))
      return unauthenticated('wrong_typ');
    if (kid !== undefined && typeof kid !== 'string') return unauthenticated('malformed_token');
    return { alg, kid };
  }
}

function verifiersOf(
  jwt: JwtService,
  { secret, previousSecret, jwksUrl, leewaySeconds }: JwtOptions & { leewaySeconds: number },
): TokenVerifier[] {
  const verifiers: TokenVerifier[] = [];
  if (secret !== undefined)
    verifiers.push(new SecretVerifier(jwt, { secret, previousSecret, leewaySeconds }));
  if (jwksUrl !== undefined) verifiers.push(new JwksVerifier(jwksUrl, leewaySeconds));
  return verifiers;
}

/** `JWT` and `application/jwt` are the same type (RFC 7515). */
function mediaType(typ: string): string {
  return typ.toLowerCase().replace(/^application\//, '');
}
