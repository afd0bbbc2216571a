import { CLOSE, closeAdvice, type CloseName } from '@aerie/protocol';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { nextStep, NO_TRIES, type Ending, type Step, type Tries } from './reconnect-policy.js';

const lost: Ending = { code: 1006, reason: '', openMs: 0, afterMs: 0 };
const opened: Ending = { ...lost, openMs: 1_000 };

function waitOf(step: Step): Step & { readonly ms: number } {
  const { ms } = step;
  if (ms === undefined) throw new Error('The policy stops');
  return { ...step, ms };
}

describe('reconnect policy', () => {
  beforeEach(() => void vi.spyOn(Math, 'random').mockReturnValue(0.5));
  afterEach(() => void vi.restoreAllMocks());

  it.each(Object.keys(CLOSE) as CloseName[])('obeys the advice of the close code "%s"', (name) => {
    const { code, reason } = CLOSE[name];
    const step = nextStep({ ...opened, code, reason }, NO_TRIES);
    const wait = closeAdvice(code) === 'back-off' ? 1_000 : 250;
    expect(step.ms).toBe(closeAdvice(code) === 'stop' ? undefined : wait);
    expect(step.cause).toEqual({ code, reason });
  });

  it('reconnects after 1006 and after a code nobody knows', () => {
    expect(nextStep(opened, NO_TRIES).ms).toBe(250);
    expect(nextStep({ ...opened, code: 4999 }, NO_TRIES).ms).toBe(250);
  });

  it('doubles the window with each attempt', () => {
    let tries: Tries = NO_TRIES;
    const waits = Array.from({ length: 8 }, () => {
      const step = waitOf(nextStep(lost, tries));
      tries = step;
      return step.ms;
    });
    expect(waits).toEqual([250, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
  });

  it('starts the back-off anew after a connection that stayed open for 10 s, not after a shorter one', () => {
    const tries = { attempt: 5, refusals: 0 };
    expect(nextStep({ ...lost, openMs: 10_000 }, tries)).toMatchObject({ ms: 250 });
    expect(nextStep({ ...lost, openMs: 9_999 }, tries)).toMatchObject({ ms: 8_000 });
  });

  it('waits the remainder of $reconnect and up to 250 ms more, which nothing may shorten', () => {
    const ending = { ...opened, code: 1001, reason: 'going away', afterMs: 3_000 };
    expect(nextStep(ending, NO_TRIES)).toMatchObject({ ms: 3_125, patient: true });
    vi.mocked(Math.random).mockReturnValue(0.999);
    expect(nextStep(ending, NO_TRIES)).toMatchObject({ ms: 3_249.75 });
  });

  it('backs off when the upgrade would have been admitted, and when nobody answered', () => {
    expect(nextStep({ ...lost, answer: { status: 426 } }, NO_TRIES)).toMatchObject({
      ms: 250,
      cause: { code: 1006, reason: 'connection lost' },
    });
    expect(nextStep(lost, NO_TRIES)).toMatchObject({ ms: 250, patient: false });
  });

  it('stops as "unauthenticated" after the third 401 in a row', () => {
    const refused: Ending = { ...lost, answer: { status: 401 } };
    const first = waitOf(nextStep(refused, NO_TRIES));
    const second = waitOf(nextStep(refused, first));
    const third = nextStep(refused, second);
    expect(third.cause).toEqual({ code: 1006, reason: 'unauthenticated' });
    expect(third.ms).toBeUndefined();
  });

  it('stops as "unauthenticated" after the third 4001 in a row', () => {
    const invalid: Ending = { ...lost, code: 4001, reason: 'token invalid' };
    const first = waitOf(nextStep(invalid, NO_TRIES));
    const second = waitOf(nextStep(invalid, first));
    const third = nextStep(invalid, second);
    expect(third.cause).toEqual({ code: 4001, reason: 'unauthenticated' });
    expect(third.ms).toBeUndefined();
  });

  it.each([
    ['401', { ...lost, answer: { status: 401 } }],
    ['4001', { ...lost, code: 4001, reason: 'token invalid' }],
  ])(
    'gives the new credential after %s a second of its own: `iat` counts whole ones',
    (_, refused: Ending) => {
      vi.mocked(Math.random).mockReturnValueOnce(0);
      expect(nextStep(refused, NO_TRIES)).toMatchObject({ ms: 1_000, patient: true });
      expect(nextStep(refused, { attempt: 1, refusals: 1 })).toMatchObject({ ms: 1_500 });
    },
  );

  it('counts refused credentials anew after anything else', () => {
    const before = { attempt: 1, refusals: 2 };
    const others: Ending[] = [
      { ...opened, code: 4401, reason: 'session ended' },
      { ...lost, answer: { status: 503 } },
      lost,
    ];
    expect(others.map((ending) => waitOf(nextStep(ending, before)).refusals)).toEqual([0, 0, 0]);
  });

  it.each([403, 404])('stops at %i, whoever said it', (status) => {
    const step = nextStep({ ...lost, answer: { status } }, NO_TRIES);
    expect(step.cause).toEqual({ code: 1006, reason: `HTTP ${status}` });
    expect(step.ms).toBeUndefined();
  });

  it.each([429, 503])('honours Retry-After of %i and spreads on top of it', (status) => {
    const step = nextStep({ ...lost, answer: { status, afterMs: 5_000 } }, NO_TRIES);
    expect(step).toMatchObject({ ms: 6_000, patient: true });
  });

  it('honours the Retry-After of a proxy', () => {
    const step = nextStep({ ...lost, answer: { status: 502, afterMs: 5_000 } }, NO_TRIES);
    expect(step).toMatchObject({ ms: 5_250, patient: true });
  });

  it.each([200, 502])('says what answered in place of a server: %i', (status) => {
    expect(nextStep({ ...lost, answer: { status } }, NO_TRIES)).toMatchObject({
      ms: 250,
      cause: { code: 1006, reason: `HTTP ${status}` },
    });
  });

  it('says what the server said', () => {
    const error = { code: 'draining', message: 'The node is draining' } as const;
    const step = nextStep({ ...lost, answer: { status: 503, error } }, NO_TRIES);
    expect(step.cause).toEqual({ code: 1006, reason: 'draining', error });
  });
});
