import { readFile } from 'node:fs/promises';
import { extname } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Route, RouteReply } from '@aerie/realtime';

const CONTENT_TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.png': 'image/png',
};

/** Everything from this origin, nothing inline, in nobody's frame. */
const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

const PAGE_HEADERS = {
  'content-security-policy': CONTENT_SECURITY_POLICY,
  'referrer-policy': 'no-referrer',
  'cross-origin-opener-policy': 'same-origin',
};

export interface StaticFile {
  /** Where it is served. */
  readonly path: string;
  readonly folder: string;
  readonly name: string;
}

export interface StaticText {
  /** Where it is served. */
  readonly path: string;
  readonly type: string;
  readonly text: string;
}

/** Serves one file under a strict content security policy. Only files that are named here can be asked for. */
export function staticFile({ path, folder, name }: StaticFile): Route {
  const file = new URL(name, pathToFileURL(`${folder}/`));
  const type = CONTENT_TYPES[extname(name)] ?? 'application/octet-stream';
  return { method: 'GET', path, handle: async () => page(type, await readFile(file)) };
}

/** The same for a text that is made here. */
export function staticText({ path, type, text }: StaticText): Route {
  return { method: 'GET', path, handle: () => page(type, text) };
}

function page(type: string, body: Buffer | string): RouteReply {
  return { headers: { ...PAGE_HEADERS, 'content-type': type }, body };
}
