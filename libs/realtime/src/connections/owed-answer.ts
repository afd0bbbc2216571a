import type { ServerResponse } from 'node:http';
import type { OutboxBudget } from './outbox-budget.js';

/** Smaller ones are not worth metering. */
const UNMETERED_BYTES = 4 * 1024;

/** Counts what an HTTP answer holds for as long as its client has not taken it; past the node's budget the answer is cut. */
export function oweAnswer(
  budget: Pick<OutboxBudget, 'retain' | 'release' | 'settled'>,
  response: ServerResponse,
  payload: Uint8Array,
): void {
  const { byteLength } = payload;
  if (byteLength <= UNMETERED_BYTES || response.destroyed) return;
  const debtor = { bytesOwed: byteLength, shed: () => response.destroy() };
  budget.retain(payload, debtor);
  response.once('close', () => {
    budget.release(payload);
    budget.settled(debtor);
  });
}
