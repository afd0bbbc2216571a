import { isErrorCode } from '@aerie/protocol';
import { Refusal } from '@aerie/realtime';
import { z } from 'zod';

const MOST_BYTES = 1_048_576;
const LONGEST_MESSAGE = 128;

const answerSchema = z.object({
  allow: z.boolean().optional(),
  data: z.unknown().optional(),
  error: z.object({ code: z.string(), message: z.string() }).optional(),
});

/** What the receiver said. */
export type HookAnswer = z.output<typeof answerSchema>;

/** Why there is no answer; for the log. */
export class HookFailure {
  constructor(readonly reason: string) {}
}

/** Reads a response of at most 1 MiB. 204 is an empty answer. */
export async function readAnswer(response: Response): Promise<HookAnswer | HookFailure> {
  if (!response.ok) {
    await response.body?.cancel();
    return new HookFailure(`status ${response.status}`);
  }
  if (response.status === 204) return {};
  const text = await readText(response);
  return text instanceof HookFailure ? text : parseAnswer(text);
}

/** The refusal in an answer, or undefined. A code outside the protocol's table becomes `forbidden`. */
export function refusalIn({ allow, error }: HookAnswer): Refusal | undefined {
  if (error) {
    const code = isErrorCode(error.code) ? error.code : 'forbidden';
    return new Refusal(code, error.message.slice(0, LONGEST_MESSAGE), { reason: 'hook' });
  }
  return allow === false ? new Refusal('forbidden', 'refused', { reason: 'hook' }) : undefined;
}

async function readText(response: Response): Promise<string | HookFailure> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.byteLength;
    // Leaving the loop cancels the body.
    if (bytes > MOST_BYTES) return new HookFailure('answer over 1 MiB');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function parseAnswer(text: string): HookAnswer | HookFailure {
  try {
    const parsed = answerSchema.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : new HookFailure('answer of another shape');
  } catch {
    return new HookFailure('answer is not JSON');
  }
}
