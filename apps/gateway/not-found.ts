import type { IncomingMessage, ServerResponse } from 'node:http';

const BODY = JSON.stringify({ error: { code: 'not_found', message: 'nothing here' } });

/** Answers what no route took, in the shape of every other error. */
export function notFound(_request: IncomingMessage, response: ServerResponse): void {
  response.writeHead(404, {
    'content-type': 'application/json; charset=utf-8',
    'x-content-type-options': 'nosniff',
  });
  response.end(BODY);
}
