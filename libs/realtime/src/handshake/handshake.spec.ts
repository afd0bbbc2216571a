import { ApplicationConfig, ExternalContextCreator, ModulesContainer } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { connect } from '../../../../test/support/connections.js';
import { ReceivedRequests } from '../../../../test/support/received-request.js';
import { Admission } from '../connections/admission.js';
import { ConnectionRegistry } from '../connections/connection-registry.js';
import { Descriptors } from '../connections/descriptors.js';
import type { Session } from '../connections/session.js';
import { MemoryFailureCounter } from '../memory/memory-failure-counter.js';
import { MemoryRevocationLog } from '../memory/memory-revocation-log.js';
import { MemoryTicketStore } from '../memory/memory-ticket-store.js';
import { Refusal } from '../refusal.js';
import { RevocationLog } from '../sessions/revocations.js';
import { REALTIME_AUTH_OPTIONS } from './auth-options.js';
import { Authenticator, type Credential, type HandshakeRequest } from './authenticator.js';
import { CredentialCheck } from './credential-check.js';
import { Handshake, type HandshakeOptions } from './handshake.js';
import { type GuardSources, HandshakeGuards } from './handshake-guards.js';
import { prepareRequest, prepareResponse } from './handshake-request.js';
import { OriginPolicy } from './origin.js';
import { unauthenticated } from './refusals.js';
import { ResumeProofs } from './resume-proofs.js';
import { SessionAuthentication } from './session-authentication.js';
import { SessionGuard } from './session.guard.js';
import { TicketStore } from './ticket-store.js';
import { Tickets } from './tickets.js';

/** Takes a user's name for its password. */
class NameIsPassword extends Authenticator {
  asked = 0;
  override async authenticate(
    _request: HandshakeRequest,
    credential: Credential | undefined,
  ): Promise<Session | Refusal> {
    this.asked += 1;
    return credential === undefined || credential.value === 'wrong'
      ? unauthenticated('wrong')
      : { user: credential.value, claims: {} };
  }
}

class ScriptedGuards extends HandshakeGuards {
  ran = 0;
  verdict: () => Promise<Refusal | undefined> = () => Promise.resolve(undefined);

  override async run(): Promise<Refusal | undefined> {
    this.ran += 1;
    return this.verdict();
  }
}

const requests = new ReceivedRequests();
const authenticator = new NameIsPassword();
let authentication: SessionAuthentication;
let sessionGuard: SessionGuard;
let revocations: RevocationLog;
let sources: GuardSources;

beforeAll(async () => {
  const module = await Test.createTestingModule({
    providers: [
      SessionGuard,
      SessionAuthentication,
      CredentialCheck,
      { provide: ResumeProofs, useValue: new ResumeProofs([]) },
      Tickets,
      { provide: Authenticator, useValue: authenticator },
      { provide: TicketStore, useClass: MemoryTicketStore },
      { provide: RevocationLog, useClass: MemoryRevocationLog },
      { provide: REALTIME_AUTH_OPTIONS, useValue: { useExisting: NameIsPassword } },
    ],
  }).compile();
  authentication = module.get(SessionAuthentication);
  sessionGuard = module.get(SessionGuard);
  revocations = module.get(RevocationLog);
  sources = {
    contexts: module.get(ExternalContextCreator),
    modules: module.get(ModulesContainer),
    config: module.get(ApplicationConfig),
  };
});
afterAll(() => requests.close());
afterEach(() => {
  vi.useRealTimers();
});

async function turnsOfTheLoop(count: number): Promise<void> {
  for (let turn = 0; turn < count; turn += 1) await new Promise(setImmediate);
}

interface Setup extends Partial<HandshakeOptions> {
  readonly maxConnections?: number;
}

function setUp({ maxConnections = 10, ...options }: Setup = {}) {
  authenticator.asked = 0;
  const registry = new ConnectionRegistry();
  const admission = new Admission({
    maxConnections,
    descriptors: new Descriptors(),
    connections: () => registry.size,
  });
  const failures = new MemoryFailureCounter();
  const handshake = new Handshake({
    admission,
    failures,
    origins: new OriginPolicy({ allowed: ['https://good.example'] }),
    sessionGuard,
    authentication,
    registry,
    places: { hasRoom: async () => true },
    accepted: () => 0,
    firstMessage: true,
    maxConnectionsPerUser: undefined,
    overflow: 'refuse',
    ...options,
  });
  const guards = new ScriptedGuards([], sources);
  const attempt = async (headers: readonly string[], extra: object = {}) => {
    const bare = await requests.receive('/ws', headers);
    const request = prepareRequest(bare, { ip: '192.0.2.1', params: {}, transport: 'websocket' }, {});
    return { request, response: prepareResponse(bare, {}), addressGroup: '192.0.2.1', guards, ...extra };
  };
  const admit = async (headers: readonly string[] = [], extra: object = {}) =>
    handshake.admit(await attempt(headers, extra));
  return { handshake, admission, failures, registry, guards, attempt, admit };
}

const bearer = (user: string): string[] => [`Authorization: Bearer ${user}`];

describe('a handshake', () => {
  it('admits who has a credential and passes the guards, and gives its place back', async () => {
    const { admit, admission, guards } = setUp();
    await expect(admit(bearer('alice'))).resolves.toEqual({ session: { user: 'alice', claims: {} } });
    expect([guards.ran, admission.pending]).toEqual([1, 0]);
  });

  it('lets in as many as there are places', async () => {
    await expect(setUp({ maxConnections: 1 }).admit(bearer('alice'))).resolves.toHaveProperty('session');
    const { admit, registry } = setUp({ maxConnections: 1 });
    registry.add(connect('bob').connection);
    await expect(admit(bearer('alice'))).resolves.toMatchObject({ code: 'overloaded', retryAfterSeconds: 5 });
  });

  it('counts handshakes under way: a burst does not overshoot', async () => {
    const { admit, guards } = setUp({ maxConnections: 2 });
    guards.verdict = () => new Promise((resolve) => setTimeout(() => resolve(undefined), 50));
    const outcomes = await Promise.all(['a', 'b', 'c'].map((user) => admit(bearer(user))));
    expect(outcomes.filter((outcome) => outcome instanceof Refusal)).toMatchObject([{ code: 'overloaded' }]);
  });

  it('sends who brings no credential into quarantine, after admission and Origin, before any guard', async () => {
    const { admit, guards } = setUp();
    await expect(admit()).resolves.toEqual({ quarantine: true });
    await expect(admit(['Origin: https://evil.example'])).resolves.toMatchObject({ code: 'forbidden' });
    expect(guards.ran).toBe(0);
    await expect(setUp({ firstMessage: false }).admit()).resolves.toMatchObject({ code: 'unauthenticated' });
  });

  it('asks cheapest first: door, address, path, Origin, credential, guards', async () => {
    const evil = ['Origin: https://evil.example', ...bearer('wrong')];
    const { admit, admission, failures, guards } = setUp();
    guards.verdict = async () => new Refusal('forbidden', 'guard');
    await expect(admit(bearer('alice'))).resolves.toMatchObject({ message: 'guard' });
    await expect(admit(bearer('wrong'))).resolves.toMatchObject({ code: 'unauthenticated' });
    await expect(admit(evil)).resolves.toMatchObject({ message: 'origin not allowed' });
    await expect(admit(evil, { guards: undefined })).resolves.toMatchObject({ code: 'not_found' });
    for (let index = 0; index < 100; index += 1) await failures.record('192.0.2.1');
    await expect(admit(evil, { guards: undefined })).resolves.toMatchObject({ code: 'rate_limited' });
    admission.closeDoor();
    await expect(admit(evil, { guards: undefined })).resolves.toMatchObject({ code: 'draining' });
    expect([authenticator.asked, guards.ran]).toEqual([2, 1]);
  });

  it('counts what looks like guessing, and nothing else', async () => {
    const { admit, failures, guards } = setUp();
    const recorded = vi.spyOn(failures, 'record');
    await admit(bearer('alice'));
    await admit(bearer('alice'), { guards: undefined });
    guards.verdict = async () => new Refusal('unavailable', 'away');
    await admit(bearer('alice'));
    expect(recorded).not.toHaveBeenCalled();
    await admit(bearer('wrong'));
    guards.verdict = async () => new Refusal('forbidden', 'no');
    await admit(bearer('alice'));
    expect(recorded).toHaveBeenCalledTimes(2);
  });

  it('ends after 10 s with 408, and gives its place back', async () => {
    const { handshake, attempt, admission, guards } = setUp();
    const pending = await attempt(bearer('alice'));
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    guards.verdict = () => new Promise(() => undefined);
    const admitted = handshake.admit(pending);
    await vi.advanceTimersByTimeAsync(9_999);
    expect(admission.pending).toBe(1);
    await vi.advanceTimersByTimeAsync(1);
    await expect(admitted).resolves.toMatchObject({ code: 'timeout', status: 408 });
    expect([admission.pending, vi.getTimerCount()]).toEqual([0, 0]);
  });

  it('is one of 500 at a time: the next waits in line, and costs no guard where its time is over', async () => {
    const { handshake, attempt, admission, guards } = setUp({ maxConnections: 1_000 });
    const pending = await Promise.all(Array.from({ length: 502 }, () => attempt(bearer('alice'))));
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] });
    const letIn: (() => void)[] = [];
    guards.verdict = () => new Promise((resolve) => letIn.push(() => resolve(undefined)));
    const admitted = pending.map((each) => handshake.admit(each));
    await vi.advanceTimersByTimeAsync(5_000);
    await turnsOfTheLoop(20);
    expect([guards.ran, admission.pending]).toEqual([500, 502]);
    letIn[7]?.();
    await expect(admitted[7]).resolves.toHaveProperty('session');
    await turnsOfTheLoop(2);
    expect(guards.ran).toBe(501);
    await vi.advanceTimersByTimeAsync(5_000);
    await expect(admitted[501]).resolves.toMatchObject({ code: 'timeout', status: 408 });
    expect(guards.ran).toBe(501);
    expect([admission.pending, vi.getTimerCount()]).toEqual([0, 0]);
  });

  it('gives its place back where a step fails', async () => {
    const { admit, admission, guards } = setUp();
    guards.verdict = () => Promise.reject(new Error('bug'));
    await expect(admit(bearer('alice'))).rejects.toThrow('bug');
    expect(admission.pending).toBe(0);
  });
});

describe('the last look', () => {
  it('refuses while the door is closed', () => {
    const { handshake, admission } = setUp();
    admission.beginLameDuck();
    expect(handshake.admits({ user: 'alice', claims: {} })).toBeUndefined();
    admission.closeDoor();
    expect(handshake.admits({ user: 'alice', claims: {} })).toMatchObject({ code: 'draining' });
  });

  it('refuses one connection too many of a user, or lets it replace the oldest', () => {
    for (const [overflow, expected] of [
      ['refuse', 'rate_limited'],
      ['replace', undefined],
    ] as const) {
      const { handshake, registry } = setUp({ maxConnectionsPerUser: 1, overflow });
      expect(handshake.admits({ user: 'alice', claims: {} })).toBeUndefined();
      registry.add(connect('alice').connection);
      expect(handshake.admits({ user: 'alice', claims: {} })?.code).toBe(expected);
      expect(handshake.admits({ user: 'bob', claims: {} })).toBeUndefined();
    }
  });

  it('refuses who was revoked meanwhile', async () => {
    const { handshake } = setUp();
    await revocations.add({ jti: 'gone' });
    expect(handshake.admits({ user: 'alice', jti: 'gone', claims: {} })).toMatchObject({
      code: 'unauthenticated',
    });
  });
});

describe('the $auth of a live connection', () => {
  it('that fails leaves the stored request as it was', async () => {
    const { handshake, attempt, guards } = setUp();
    const stored = await attempt(bearer('alice'));
    await handshake.admit(stored);
    const { session, user } = stored.request;
    await expect(handshake.renew(stored, { token: 'wrong' })).resolves.toBeInstanceOf(Refusal);
    guards.verdict = () => Promise.reject(new Error('bug'));
    await expect(handshake.renew(stored, { token: 'alice' })).rejects.toThrow('bug');
    guards.verdict = async () => undefined;
    await handshake.renew(stored, { token: 'bob' });
    expect([stored.request.session, stored.request.user]).toEqual([session, user]);
    expect(stored.request.headers.authorization).toBe('Bearer alice');
  });

  it('is refused where its session is revoked while the guards run', async () => {
    const { handshake, attempt, guards } = setUp();
    const stored = await attempt(bearer('carol'));
    await handshake.admit(stored);
    guards.verdict = async () => {
      await revocations.add({ user: 'carol' });
      return undefined;
    };
    await expect(handshake.renew(stored, { token: 'carol' })).resolves.toMatchObject({
      code: 'unauthenticated',
      reason: 'revoked',
    });
  });

  it.each([
    ['a session', { user: 'alice', claims: { late: true } }],
    ['a no', unauthenticated('wrong')],
  ])(
    'that comes too late leaves the stored request as it was, also when %s comes after all',
    async (_name, late) => {
      const { handshake, attempt } = setUp();
      const stored = await attempt(bearer('alice'));
      await handshake.admit(stored);
      const { session } = stored.request;
      const answer = Promise.withResolvers<Session | Refusal>();
      vi.spyOn(authenticator, 'authenticate').mockReturnValueOnce(answer.promise);
      vi.useFakeTimers();
      const renewed = handshake.renew(stored, { token: 'alice' });
      await vi.advanceTimersByTimeAsync(10_000);
      await expect(renewed).resolves.toMatchObject({ code: 'timeout' });
      answer.resolve(late);
      await vi.advanceTimersByTimeAsync(1_000);
      expect(stored.request.session).toBe(session);
      expect(stored.request.headers.authorization).toBe('Bearer alice');
    },
  );
});
