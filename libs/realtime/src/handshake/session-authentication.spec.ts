import { Logger } from '@nestjs/common';
import { afterAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { ReceivedRequests } from '../../../../test/support/received-request.js';
import type { Session } from '../connections/session.js';
import { MemoryRevocationLog } from '../memory/memory-revocation-log.js';
import { MemoryTicketStore } from '../memory/memory-ticket-store.js';
import type { AuthOptions } from './auth-options.js';
import { Authenticator, type Credential, type HandshakeRequest } from './authenticator.js';
import { CredentialCheck } from './credential-check.js';
import { Refusal } from '../refusal.js';
import { unauthenticated } from './refusals.js';
import { sessionOf } from './request-identity.js';
import { ResumeProofs } from './resume-proofs.js';
import { SessionAuthentication } from './session-authentication.js';
import { Tickets } from './tickets.js';

const alice: Session = { user: 'alice', claims: {}, jti: 'j-1', issuedAt: 1_000 };

/** Says what it is told to, and remembers whom it was asked about. */
class ScriptedAuthenticator extends Authenticator {
  readonly asked: (Credential | undefined)[] = [];
  readonly bearers: (string | undefined)[] = [];
  answer: (request: HandshakeRequest) => Session | Refusal = () => alice;

  override async authenticate(
    request: HandshakeRequest,
    credential: Credential | undefined,
  ): Promise<Session | Refusal> {
    this.asked.push(credential);
    this.bearers.push(request.headers.authorization);
    return this.answer(request);
  }
}

const requests = new ReceivedRequests();
afterAll(() => requests.close());

let authenticator: ScriptedAuthenticator;
let tickets: Tickets;
let revocations: MemoryRevocationLog;
let authentication: SessionAuthentication;

function build(options: AuthOptions): SessionAuthentication {
  return new SessionAuthentication(
    new CredentialCheck(authenticator, tickets, new ResumeProofs([])),
    revocations,
    options,
  );
}

beforeEach(async () => {
  authenticator = new ScriptedAuthenticator();
  tickets = new Tickets(new MemoryTicketStore());
  revocations = new MemoryRevocationLog();
  await revocations.start(() => undefined);
  authentication = build({ jwt: {}, cookieName: 'session' });
});

async function received(target: string, ...lines: string[]): Promise<HandshakeRequest> {
  return (await requests.receive(target, lines)) as HandshakeRequest;
}

async function ticketFor(session: Session): Promise<string> {
  const issued = await tickets.issue(session);
  return issued instanceof Refusal ? '' : issued.ticket;
}

describe('authenticating a request', () => {
  it('asks about the credential, bearer exposed, and puts the session on the request', async () => {
    const request = await received('/ws?token=weak', 'Cookie: session=abc');
    expect(await authentication.authenticate(request)).toBe(alice);
    expect(authenticator.asked).toEqual([{ source: 'cookie', value: 'abc' }]);
    expect(authenticator.bearers).toEqual(['Bearer abc']);
    expect(request).toMatchObject({ session: alice, user: alice });
    expect(sessionOf(request)).toBe(alice);
  });

  it('leaves the user that a guard put there', async () => {
    const request = await received('/ws');
    authenticator.answer = (asked) => {
      asked.user = { id: 7 };
      return alice;
    };
    await authentication.authenticate(request);
    expect(request.user).toEqual({ id: 7 });
  });

  it('asks also where there is no credential, as an authenticator may know better', async () => {
    await authentication.authenticate(await received('/ws'));
    expect(authenticator.asked).toEqual([undefined]);
  });

  it('asks nobody about a bad credential', async () => {
    const outcome = await authentication.authenticate(await received('/ws?token=a&token=b'));
    expect(outcome).toMatchObject({ status: 401, reason: 'repeated_credential' });
    expect(authenticator.asked).toEqual([]);
  });

  it('leaves no trace where it refuses, not even the bearer', async () => {
    const request = await received('/ws', 'Cookie: session=abc');
    authenticator.answer = (asked) => {
      asked.user = { id: 'mallory' };
      return unauthenticated('test');
    };
    expect(await authentication.authenticate(request)).toMatchObject({ status: 401, reason: 'test' });
    expect([request.session, request.user, sessionOf(request), request.headers.authorization]).toEqual([
      undefined,
      undefined,
      undefined,
      undefined,
    ]);
  });

  it('refuses a session whose time is over', async () => {
    authenticator.answer = () => ({ ...alice, expiresAt: Date.now() });
    expect(await authentication.authenticate(await received('/ws'))).toMatchObject({
      reason: 'session_expired',
    });
  });

  it.each([{ user: 'alice' }, { jti: 'j-1' }, { issuedBefore: 2_000 }])(
    'refuses what %j revokes',
    async (revocation) => {
      await revocations.add(revocation);
      const request = await received('/ws');
      expect(await authentication.authenticate(request)).toMatchObject({ status: 401, reason: 'revoked' });
      expect(request.session).toBeUndefined();
      expect(authentication.isRevoked(alice)).toBe(true);
      expect(authentication.isRevoked({ user: 'bob', claims: {}, issuedAt: 3_000 })).toBe(false);
    },
  );

  it('answers 503 when the authenticator throws, and logs no part of the credential', async () => {
    const error = vi.spyOn(Logger.prototype, 'error').mockImplementation(() => undefined);
    authenticator.answer = (asked) => {
      throw new Error(`introspecting ${asked.headers.authorization} and claims-of-alice failed`);
    };
    const outcome = await authentication.authenticate(
      await received('/ws?token=header-part.claims-of-alice.signature-x'),
    );
    expect(outcome).toMatchObject({ status: 503, code: 'unavailable', retryAfterSeconds: 2 });
    const logged = JSON.stringify(error.mock.calls);
    expect(logged).toContain('introspecting Bearer [redacted] and [redacted] failed');
    expect(logged).not.toMatch(/header-part|claims-of-alice|signature-x/);
    error.mockRestore();
  });

  it.each([{}, { user: '' }, { user: 42 }])(
    'answers 503 where the authenticator names no user: %j',
    async (named) => {
      const error = vi.spyOn(Logger.prototype, 'error').mockImplementation(() => undefined);
      authenticator.answer = () => ({ ...alice, user: undefined, ...named }) as Session;
      const request = await received('/ws');
      expect(await authentication.authenticate(request)).toMatchObject({ status: 503, code: 'unavailable' });
      expect(request.session).toBeUndefined();
      expect(error).toHaveBeenCalledOnce();
      error.mockRestore();
    },
  );

  it('tells whether anything claims to be a credential', async () => {
    const has = async (target: string, ...lines: string[]): Promise<boolean> =>
      authentication.hasCredential(await received(target, ...lines));
    expect(await has('/ws')).toBe(false);
    expect(await has('/ws?token=')).toBe(true);
    expect(await has('/ws', 'Authorization: Basic x')).toBe(true);
    expect(await has('/ws', 'Cookie: other=x')).toBe(false);
    authentication = build({ useExisting: ScriptedAuthenticator });
    expect(await has('/ws', 'Authorization: Basic x')).toBe(true);
  });

  it("leaves another scheme to the application's authenticator only", async () => {
    const request = await received('/ws?token=good', 'Authorization: Basic x');
    expect(await authentication.authenticate(request)).toMatchObject({ status: 401 });
    expect(await build({ useExisting: ScriptedAuthenticator }).authenticate(request)).toBe(alice);
    expect(authenticator.asked).toEqual([undefined]);
    expect(authenticator.bearers).toEqual(['Basic x']);
  });
});

describe('a ticket on a request', () => {
  it('brings its session once, and asks nobody else', async () => {
    const target = `/ws?ticket=${await ticketFor(alice)}`;
    expect(await authentication.authenticate(await received(target))).toEqual(alice);
    expect(await authentication.authenticate(await received(target))).toMatchObject({
      status: 401,
      reason: 'unknown_ticket',
    });
    expect(authenticator.asked).toEqual([]);
  });

  it('is not used up by a dry run', async () => {
    const target = `/ws?ticket=${await ticketFor(alice)}`;
    expect(await authentication.authenticate(await received(target), { dryRun: true })).toEqual(alice);
    expect(await authentication.authenticate(await received(target))).toEqual(alice);
    expect(await authentication.authenticate(await received(target), { dryRun: true })).toMatchObject({
      status: 401,
    });
  });

  it('does not outlive a revocation', async () => {
    const target = `/ws?ticket=${await ticketFor(alice)}`;
    await revocations.add({ jti: 'j-1' });
    expect(await authentication.authenticate(await received(target))).toMatchObject({
      status: 401,
      reason: 'revoked',
    });
  });
});

describe('authenticating a message', () => {
  it('asks about its token alone, exposed in place of an earlier one', async () => {
    const request = await received('/ws', 'Authorization: Bearer earlier');
    await authentication.authenticate(request);
    const renewed = { ...alice, expiresAt: Date.now() + 60_000 };
    authenticator.answer = () => renewed;
    expect(await authentication.authenticateMessage(request, { token: 'abc' })).toBe(renewed);
    expect(authenticator.asked.at(-1)).toEqual({ source: 'message', value: 'abc' });
    expect(authenticator.bearers.at(-1)).toBe('Bearer abc');
    expect(request).toMatchObject({ session: renewed, user: renewed });
  });

  it('takes a ticket, which leaves no earlier bearer behind', async () => {
    const request = await received('/ws', 'Authorization: Bearer earlier');
    await authentication.authenticate(request);
    expect(
      await authentication.authenticateMessage(request, {
        ticket: await ticketFor({ ...alice, user: 'bob' }),
      }),
    ).toMatchObject({
      user: 'bob',
    });
    expect(request.headers.authorization).toBeUndefined();
    expect(authenticator.asked).toHaveLength(1);
  });

  it('leaves everything as it was where it refuses', async () => {
    const request = await received('/ws', 'Authorization: Bearer earlier');
    await authentication.authenticate(request);
    authenticator.answer = () => unauthenticated('test');
    expect(await authentication.authenticateMessage(request, { token: 'abc' })).toMatchObject({
      status: 401,
    });
    expect(request).toMatchObject({
      session: alice,
      user: alice,
      headers: { authorization: 'Bearer earlier' },
    });
    expect(sessionOf(request)).toBe(alice);
  });

  it.each([
    undefined,
    null,
    'abc',
    7,
    [],
    {},
    { token: '' },
    { token: 7 },
    { token: ['abc'] },
    { token: { toString: 'abc' } },
    { token: null },
    { ticket: 'short' },
    { token: 'a', ticket: 'b' },
    { token: 'a'.repeat(8193) },
    { token: 'a\r\nX-Evil: 1' },
    { Token: 'abc' },
  ])('is 401 for %j, without a question', async (data) => {
    expect(await authentication.authenticateMessage(await received('/ws?token=good'), data)).toMatchObject({
      status: 401,
      message: 'authentication failed',
    });
    expect(authenticator.asked).toEqual([]);
  });
});
