import { CLOSE, closeAdvice, type CloseName } from '@aerie/protocol';
import { describe, expect, it } from 'vitest';
import { nextStep, NO_TRIES, type Ending, type Step } from './reconnect-policy.js';

const half = (): number => 0.5;
const lost: Ending = { code: 1006, reason: '' };
const opened: Ending = { ...lost, openMs: 1_000 };

function waitOf(step: Step): Step & { readonly ms: number } {
  const { ms } = step;
  if (ms === undefined) throw new Error('The policy stops');
  return { ...step, ms };
}

describe('reconnect policy', () => {
  it.each(Object.keys(CLOSE) as CloseName[])('obeys the advice of the close code "%s"', (name) => {
    const { code, reason } = CLOSE[name];
    const step = nextStep({ code, reason, openMs: 1_000 }, NO_TRIES, half);
    const wait = closeAdvice(code) === 'back-off' ? 1_000 : 250;
    expect(step.ms).toBe(closeAdvice(code) === 'stop' ? undefined : wait);
    expect(step.cause).toEqual({ code, reason });
  });

  it('reconnects after 1006 and after a code nobody knows', () => {
    expect(nextStep(opened, NO_TRIES, half).ms).toBe(250);
    expect(nextStep({ ...opened, code: 4999 }, NO_TRIES, half).ms).toBe(250);
  });

  it('doubles the window with each attempt', () => {
    let tries = NO_TRIES;
    const waits = Array.from({ length: 8 }, () => {
      const step = waitOf(nextStep(lost, tries, half));
      tries = step.tries;
      return step.ms;
    });
    expect(waits).toEqual([250, 500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
  });

  it('starts the back-off anew after a connection that stayed open for 10 s, not after a shorter one', () => {
    const tries = { attempt: 5, authFailures: 0 };
    expect(nextStep({ ...lost, openMs: 10_000 }, tries, half)).toMatchObject({ ms: 250 });
    expect(nextStep({ ...lost, openMs: 9_999 }, tries, half)).toMatchObject({ ms: 8_000 });
  });

  it('waits the remainder of $reconnect and up to 250 ms more, which nothing may shorten', () => {
    const ending = { code: 1001, reason: 'going away', openMs: 60_000, remainderMs: 3_000 };
    expect(nextStep(ending, NO_TRIES, half)).toMatchObject({ ms: 3_125, patient: true });
    expect(nextStep({ ...ending, remainderMs: 0 }, NO_TRIES, () => 0.999)).toMatchObject({ ms: 249.75 });
  });

  it('backs off when the upgrade would have been admitted, and when nobody answered', () => {
    expect(nextStep({ ...lost, answer: { status: 426 } }, NO_TRIES, half)).toMatchObject({
      ms: 250,
      cause: { code: 1006, reason: 'connection lost' },
    });
    expect(nextStep(lost, NO_TRIES, half)).toMatchObject({ ms: 250, patient: false });
  });

  it('stops as "unauthenticated" after the third 401 in a row', () => {
    const refused: Ending = { ...lost, answer: { status: 401 } };
    const first = waitOf(nextStep(refused, NO_TRIES));
    const second = waitOf(nextStep(refused, first.tries));
    const third = nextStep(refused, second.tries);
    expect(third.cause).toEqual({ code: 1006, reason: 'unauthenticated' });
    expect(third.ms).toBeUndefined();
  });

  it('stops as "unauthenticated" after the third 4001 in a row', () => {
    const invalid: Ending = { code: 4001, reason: 'token invalid' };
    const first = waitOf(nextStep(invalid, NO_TRIES));
    const second = waitOf(nextStep(invalid, first.tries));
    const third = nextStep(invalid, second.tries);
    expect(third.cause).toEqual({ code: 4001, reason: 'unauthenticated' });
    expect(third.ms).toBeUndefined();
  });

  it.each([
    ['401', { ...lost, answer: { status: 401 } }],
    ['4001', { code: 4001, reason: 'token invalid' }],
  ])(
    'gives the new credential after %s a second of its own: `iat` counts whole ones',
    (_, refused: Ending) => {
      expect(nextStep(refused, NO_TRIES, () => 0)).toMatchObject({ ms: 1_000, patient: true });
      expect(nextStep(refused, { attempt: 1, authFailures: 1 }, half)).toMatchObject({ ms: 1_500 });
    },
  );

  it('counts refused credentials anew after anything else', () => {
    const before = { attempt: 1, authFailures: 2 };
    const others: Ending[] = [
      { code: 4401, reason: 'session ended', openMs: 1_000 },
      { ...lost, answer: { status: 503 } },
      lost,
    ];
    expect(others.map((ending) => waitOf(nextStep(ending, before)).tries.authFailures)).toEqual([0, 0, 0]);
  });

  it.each([403, 404])('stops at %i, whoever said it', (status) => {
    const step = nextStep({ ...lost, answer: { status } }, NO_TRIES);
    expect(step.cause).toEqual({ code: 1006, reason: `HTTP ${status}` });
    expect(step.ms).toBeUndefined();
  });

  it.each([429, 503])('honours Retry-After of %i and spreads on top of it', (status) => {
    const step = nextStep({ ...lost, answer: { status, retryAfterMs: 5_000 } }, NO_TRIES, half);
    expect(step).toMatchObject({ ms: 6_000, patient: true });
  });

  it('says what the server said', () => {
    const error = { code: 'draining', message: 'The node is draining' } as const;
    const step = nextStep({ ...lost, answer: { status: 503, error } }, NO_TRIES);
    expect(step.cause).toEqual({ code: 1006, reason: 'draining', error });
  });
});
