import { createPublicKey, createSecretKey, type KeyObject } from 'node:crypto';
import {
  JsonWebTokenError,
  NotBeforeError,
  TokenExpiredError,
  type JwtService,
  type JwtVerifyOptions,
} from '@nestjs/jwt';
import { Refusal } from '../refusal.js';
import { isJsonObject, type JsonObject } from './decoded-jwt.js';
import { unauthenticated } from './refusals.js';
import type { TokenVerifier } from './token-verifier.js';

const MIN_SECRET_BYTES = 32;

export interface SecretOptions {
  readonly secret: string;
  readonly previousSecret?: string | undefined;
  readonly leewaySeconds: number;
}

/** HS256 and nothing else, through the application's `JwtService`. */
export class SecretVerifier implements TokenVerifier {
  readonly algorithms = ['HS256'] as const;
  readonly #jwt: JwtService;
  readonly #key: KeyObject;
  readonly #previousKey: KeyObject | undefined;
  readonly #leewaySeconds: number;

  constructor(jwt: JwtService, options: SecretOptions) {
    assertNotEmpty(options);
    const { secret, previousSecret, leewaySeconds } = options;
    this.#jwt = jwt;
    this.#key = keyOf(secret);
    this.#previousKey = previousSecret === undefined ? undefined : keyOf(previousSecret);
    this.#leewaySeconds = leewaySeconds;
  }

  async verify(token: string): Promise<JsonObject | Refusal> {
    const outcome = await this.#verifyWith(this.#key, token);
    const mayBeOlder = outcome instanceof Refusal && outcome.reason === 'bad_signature';
    return mayBeOlder && this.#previousKey !== undefined
      ? this.#verifyWith(this.#previousKey, token)
      : outcome;
  }

  async #verifyWith(key: KeyObject, token: string): Promise<JsonObject | Refusal> {
    try {
      const options: JwtVerifyOptions = {
        algorithms: [...this.algorithms],
        clockTolerance: this.#leewaySeconds,
        // The application's own defaults must not loosen what is checked here.
        ignoreExpiration: false,
        ignoreNotBefore: false,
        complete: false,
      };
      const claims: unknown = await this.#jwt.verifyAsync(token, Object.assign(options, { secret: key }));
      return isJsonObject(claims) ? claims : unauthenticated('malformed_token');
    } catch (error) {
      return refusalOf(error);
    }
  }
}

/**
 * Refuses an empty secret and a public or private key always, and in production one under 32 bytes: HMAC is as strong as its
 * key, and what others may know is no secret.
 * @throws TypeError, which never contains the secret.
 */
export function assertStrongSecret(secret: string, production: boolean): void {
  const bytes = Buffer.byteLength(secret);
  if (bytes === 0) throw new TypeError('the JWT secret is empty');
  if (isAsymmetricKey(secret))
    throw new TypeError('the JWT secret is a public or private key: verify such tokens with a JWKS');
  if (production && bytes < MIN_SECRET_BYTES)
    throw new TypeError(`the JWT secret has ${bytes} bytes; production needs at least ${MIN_SECRET_BYTES}`);
}

function isAsymmetricKey(secret: string): boolean {
  try {
    createPublicKey(secret);
    return true;
  } catch {
    return false;
  }
}

// JwtService's types know no key, but it hands over what it is given; of a string jsonwebtoken makes a key at each call.
function keyOf(secret: string): KeyObject {
  return createSecretKey(secret, 'utf8');
}

// With an empty secret JwtService would quietly fall back to the application's own.
function assertNotEmpty({ secret, previousSecret }: SecretOptions): void {
  assertStrongSecret(secret, false);
  if (previousSecret !== undefined) assertStrongSecret(previousSecret, false);
}

function refusalOf(error: unknown): Refusal {
  if (error instanceof TokenExpiredError) return unauthenticated('expired');
  if (error instanceof NotBeforeError) return unauthenticated('not_yet_valid');
  if (error instanceof SyntaxError) return unauthenticated('malformed_token');
  if (!(error instanceof JsonWebTokenError)) throw error;
  return unauthenticated(error.message === 'invalid signature' ? 'bad_signature' : 'invalid_token');
}
