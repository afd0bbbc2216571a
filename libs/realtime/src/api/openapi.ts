import { ERROR_STATUS } from '@aerie/protocol';
import { z } from 'zod';
import type { Operation } from './operation.js';

type Json = Readonly<Record<string, unknown>>;

export interface OpenApiOptions {
  /** Default `/api`. */
  readonly prefix?: string;
  /** The version of the document. Default `1`. */
  readonly version?: string;
}

const ERRORS = {
  400: 'The request is not valid; `details` names each field.',
  401: 'No API key, or an unknown one.',
  403: 'The scope of the API key is too small.',
  404: 'There is nothing of the kind.',
  413: 'The body is larger than 1 MiB.',
  429: 'Too many wrong API keys from this address.',
  503: 'The backplane is away, or the node is going: `unavailable` means that the outcome is unknown, repeat with the same idempotency key.',
} as const;

/** The OpenAPI 3.1 document of a table of operations. It tells no secret: it may be served to anybody. */
export function buildOpenApi(operations: readonly Operation[], options: OpenApiOptions = {}): Json {
  const { prefix = '/api', version = '1' } = options;
  return {
    openapi: '3.1.0',
    info: { title: 'Aerie server API', version, description: 'What a backend asks of its realtime gateway.' },
    security: [{ apiKey: [] }],
    paths: Object.fromEntries(
      operations.map((operation) => [`${prefix}/${operation.name}`, pathItem(operation)]),
    ),
    components: {
      securitySchemes: { apiKey: { type: 'http', scheme: 'bearer', description: 'An API key.' } },
      schemas: { Error: errorSchema() },
      responses: Object.fromEntries(
        Object.entries(ERRORS).map(([status, text]) => [status, errorResponse(text)]),
      ),
    },
  };
}

function pathItem(operation: Operation): Json {
  const { name, method, scope, summary, description = '' } = operation;
  return {
    [method.toLowerCase()]: {
      operationId: name,
      tags: [scope],
      summary,
      description: `${description}\n\nNeeds an API key of scope \`${scope}\`.`.trim(),
      ...(method === 'GET'
        ? { parameters: parameters(operation) }
        : { requestBody: { required: true, content: json(schemaOf(operation.input)) } }),
      responses: {
        200: { description: 'Done.', content: json(schemaOf(operation.answer)) },
        ...Object.fromEntries(
          Object.keys(ERRORS).map((status) => [status, { $ref: `#/components/responses/${status}` }]),
        ),
      },
    },
  };
}

function parameters({ input }: Operation): readonly Json[] {
  return Object.entries(input.shape).map(([name, field]) => ({
    name,
    in: 'query',
    required: !field.safeParse(undefined).success,
    schema: schemaOf(field),
  }));
}

function schemaOf(type: z.core.$ZodType): Json {
  const { $schema: _dialect, ...schema } = z.toJSONSchema(type, { io: 'input' });
  return schema;
}

function errorSchema(): Json {
  return {
    type: 'object',
    required: ['error'],
    properties: {
      error: {
        type: 'object',
        required: ['code', 'message'],
        properties: { code: { enum: Object.keys(ERROR_STATUS) }, message: { type: 'string' }, details: {} },
      },
    },
  };
}

function errorResponse(description: string): Json {
  return { description, content: json({ $ref: '#/components/schemas/Error' }) };
}

function json(schema: Json): Json {
  return { 'application/json': { schema } };
}
