import { CLOSE, closeAdvice } from '@aerie/protocol';
import type { ConnectionEnd } from '../connections/connection.js';
import type { SessionTimes } from './session-times.js';

/** An end that was seen on the wire alone: nobody said goodbye. */
const LOST = 1006;

/**
 * How long a user whose connection ended so still counts as online. Milliseconds, from now. Nothing after a goodbye, as its client
 * is not coming back; whom the server sent away to come back gets time for it.
 */
export function graceOf(
  end: ConnectionEnd,
  closedHere: boolean,
  { graceMs, drainGraceMs }: SessionTimes,
): number {
  if (!closedHere) return end.code === LOST ? Math.max(0, graceMs - (end.silentMs ?? 0)) : 0;
  if (end.code === CLOSE.goingAway.code) return drainGraceMs;
  return closeAdvice(end.code) === 'stop' ? 0 : graceMs;
}
