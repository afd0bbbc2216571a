import { fieldsOf } from './server-frame.js';
import type { Answer } from './wire.js';

/** Reads what a server answered instead of what it was asked for. */
export async function answerOf(response: Response): Promise<Answer> {
  const { status, headers } = response;
  const said = headers.get('retry-after') ?? '';
  const afterMs = Number(said) * 1_000 || Date.parse(said) - Date.now();
  const { error } = fieldsOf(await response.json().catch(() => undefined));
  // Google's proxies have an `error` of the same form, but for its code, which is a number.
  return { status, afterMs, error: typeof error?.code === 'string' ? error : undefined };
}
