import { BackplaneUnavailable } from '../publishing/backplane.js';

const SYSTEM_CODE = /^E[A-Z0-9_]+$/;
const REPLY_CODE = /^([A-Z]{2,20})\b/;

/**
 * What went wrong, in a word: `ECONNREFUSED`, `LOADING`, `timeout`. Redis' own text stays behind, as it may quote
 * commands and with them data or credentials.
 */
export function faultOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown fault';
  const { code } = error as NodeJS.ErrnoException;
  if (typeof code === 'string' && SYSTEM_CODE.test(code)) return code;
  if (/^(Command timed out|Socket timeout)/.test(error.message)) return 'timeout';
  return REPLY_CODE.exec(error.message)?.[1] ?? 'not connected';
}

/** Any failure of a command as the port's error: the outcome is unknown. */
export function unavailable(error: unknown): BackplaneUnavailable {
  return error instanceof BackplaneUnavailable ? error : new BackplaneUnavailable(`Redis: ${faultOf(error)}`);
}

/** What Redis answers; any failure of it as the port's error. */
export async function orUnavailable<Answer>(ask: () => Promise<Answer>): Promise<Answer> {
  try {
    return await ask();
  } catch (error) {
    throw unavailable(error);
  }
}
