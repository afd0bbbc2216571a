import type { Refusal } from '../refusal.js';
import type { JsonObject } from './decoded-jwt.js';

/** What a token's header says, as far as it decides how to verify it. */
export interface TokenHeader {
  readonly alg: string;
  readonly kid?: string | undefined;
}

/** Verifies the signatures of one family of algorithms. */
export interface TokenVerifier {
  readonly algorithms: readonly string[];
  /** The claims behind a good signature. A throw is a fault of ours, not of the token. */
  verify(token: string, header: TokenHeader): Promise<JsonObject | Refusal>;
}
