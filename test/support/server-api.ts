import type { ErrorBody } from '@aerie/protocol';
import { API_KEY, type RunningGateway } from './gateway.js';

export interface ApiAnswer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>> & { readonly error?: ErrorBody };
  /** Milliseconds from the call to its answer. */
  readonly tookMs: number;
}

const ANSWER_MS = 20_000;

/** Calls the server API and tells how that went, refusals included; rejects where no answer comes within 20 s. */
export async function callApi(
  { url }: Pick<RunningGateway, 'url'>,
  path: string,
  body: unknown,
): Promise<ApiAnswer> {
  const startedAt = performance.now();
  const response = await fetch(`${url}/api/${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${API_KEY}`, 'content-type': 'application/json' },
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(ANSWER_MS),
  });
  const answer = (await response.json()) as ApiAnswer['body'];
  return { status: response.status, body: answer, tookMs: performance.now() - startedAt };
}
