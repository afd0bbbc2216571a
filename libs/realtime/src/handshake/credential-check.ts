import { isUserId } from '@aerie/protocol';
import { Injectable, Logger } from '@nestjs/common';
import type { Session } from '../connections/session.js';
import { Refusal } from '../refusal.js';
import { Authenticator, type Credential, type HandshakeRequest } from './authenticator.js';
import { redactedFault } from './redacted-fault.js';
import { unavailable } from './refusals.js';
import { ResumeProofs } from './resume-proofs.js';
import { Tickets } from './tickets.js';

/** Asks whoever can tell what a credential is worth: the tickets for a ticket, the application's `Authenticator` for the rest. */
@Injectable()
export class CredentialCheck {
  readonly #logger = new Logger('AerieHandshake');

  constructor(
    private readonly authenticator: Authenticator,
    private readonly tickets: Tickets,
    private readonly proofs: ResumeProofs,
  ) {}

  /** What a client was given to come back with. */
  checkProof(proof: string): Session | Refusal {
    return this.proofs.check(proof);
  }

  /** Uses a ticket up, unless `dryRun`. A throw becomes 503, as it says nothing about the credential. */
  async check(
    request: HandshakeRequest,
    credential: Credential | undefined,
    { dryRun = false }: { readonly dryRun?: boolean | undefined } = {},
  ): Promise<Session | Refusal> {
    if (credential?.source === 'ticket')
      return dryRun ? this.tickets.peek(credential.value) : this.tickets.redeem(credential.value);
    try {
      return named(await this.authenticator.authenticate(request, credential));
    } catch (error) {
      const { message, stack } = redactedFault(error, credential?.value);
      this.#logger.error(`the authenticator failed: ${message}`, stack);
      return unavailable('authenticator_failed');
    }
  }
}

// An application may read its user out of anything: whom it can't name must not share a channel with all the others.
function named(outcome: Session | Refusal): Session | Refusal {
  if (outcome instanceof Refusal || isUserId(outcome.user)) return outcome;
  throw new TypeError('it returned a session without a user of 1-128 bytes');
}
