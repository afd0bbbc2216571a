import type { ErrorBody } from '@aerie/protocol';
import { BackplaneUnavailable } from '../../publishing/backplane.js';
import type { OperationResult } from '../operation.js';

const AWAY: ErrorBody = { code: 'unavailable', message: 'Redis did not answer: try again' };

/** The answer to a question that only reads; `unavailable` where it can't be answered now. */
export async function unlessAway<Answer>(read: () => Promise<Answer>): Promise<OperationResult<Answer>> {
  try {
    return { answer: await read() };
  } catch (error) {
    if (error instanceof BackplaneUnavailable) return { error: AWAY };
    throw error;
  }
}
