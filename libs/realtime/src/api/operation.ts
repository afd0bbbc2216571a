import { ERROR_STATUS, type ErrorBody } from '@aerie/protocol';
import type { z } from 'zod';
import type { RouteReply } from '../http/route.js';
import type { ApiScope } from './api-keys.js';
import type { ApiTarget } from './api-target.js';

const MAX_DETAILS = 20;

/** What a run comes to: the answer's body, or an error of the protocol's table. */
export type OperationResult<Answer> = { readonly answer: Answer } | { readonly error: ErrorBody };

interface OperationDefinition<Input extends z.ZodObject, Answer extends z.ZodObject> {
  /** The last segment of the path, and the operationId. */
  readonly name: string;
  /** `GET` takes its input from the query string, `POST` from a JSON body. */
  readonly method: 'GET' | 'POST';
  readonly scope: ApiScope;
  readonly summary: string;
  readonly description?: string;
  /** Strict: an unknown field is refused, as it is most likely a misspelt one. */
  readonly input: Input;
  readonly answer: Answer;
  readonly run: (target: ApiTarget, input: z.output<Input>) => Promise<OperationResult<z.input<Answer>>>;
}

/** One operation of the server API: routes and OpenAPI are both made from it. */
export interface Operation extends Omit<OperationDefinition<z.ZodObject, z.ZodObject>, 'run'> {
  /** Validates, runs and answers; 400 names each field that is wrong. */
  readonly call: (target: ApiTarget, input: unknown) => Promise<RouteReply>;
}

/** Closes a definition over its types. */
export function operation<Input extends z.ZodObject, Answer extends z.ZodObject>(
  definition: OperationDefinition<Input, Answer>,
): Operation {
  const { run, ...described } = definition;
  const call = async (target: ApiTarget, input: unknown): Promise<RouteReply> => {
    const parsed = definition.input.safeParse(input);
    if (!parsed.success) return errorReply(invalid(parsed.error));
    const result = await run(target, parsed.data);
    return 'error' in result ? errorReply(result.error) : { body: result.answer };
  };
  return { ...described, call };
}

/** `{"error": ...}` under the status of its code. */
export function errorReply(error: ErrorBody): RouteReply {
  return { status: ERROR_STATUS[error.code], body: { error } };
}

function invalid({ issues }: z.ZodError): ErrorBody {
  const details = issues.flatMap(detailsOf).slice(0, MAX_DETAILS);
  return { code: 'invalid', message: 'the request is not valid', details };
}

function detailsOf(issue: z.core.$ZodIssue): readonly { path: string; message: string }[] {
  const path = issue.path.map(String);
  if (issue.code !== 'unrecognized_keys') return [{ path: path.join('.'), message: issue.message }];
  return issue.keys.map((key) => ({
    path: [...path, key.slice(0, 100)].join('.'),
    message: 'unknown field',
  }));
}
