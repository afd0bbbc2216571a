import { errors, jwtVerify } from 'jose';
import { Refusal } from '../refusal.js';
import type { JsonObject } from './decoded-jwt.js';
import { JwksKeys } from './jwks-keys.js';
import { unauthenticated } from './refusals.js';
import type { TokenHeader, TokenVerifier } from './token-verifier.js';

const ASYMMETRIC = 'RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA'.split(' ');

/** Asymmetric algorithms only, with the keys that the issuer publishes. */
export class JwksVerifier implements TokenVerifier {
  readonly algorithms = ASYMMETRIC;
  readonly #keys: JwksKeys;
  readonly #leewaySeconds: number;

  /** @throws TypeError if `url` is not http or https. */
  constructor(url: string, leewaySeconds: number) {
    this.#keys = new JwksKeys(url);
    this.#leewaySeconds = leewaySeconds;
  }

  async verify(token: string, header: TokenHeader): Promise<JsonObject | Refusal> {
    const key = await this.#keys.find(header);
    if (key instanceof Refusal) return key;
    try {
      const options = { algorithms: this.algorithms, clockTolerance: this.#leewaySeconds };
      return (await jwtVerify(token, key, options)).payload;
    } catch (error) {
      return refusalOf(error);
    }
  }
}

function refusalOf(error: unknown): Refusal {
  if (error instanceof errors.JWTExpired) return unauthenticated('expired');
  if (error instanceof errors.JWTClaimValidationFailed) return unauthenticated(`invalid_${error.claim}`);
  if (error instanceof errors.JWSSignatureVerificationFailed) return unauthenticated('bad_signature');
  if (error instanceof errors.JOSEError) return unauthenticated('invalid_token');
  throw error;
}
