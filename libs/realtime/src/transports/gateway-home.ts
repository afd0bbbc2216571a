import type { Server } from 'node:http';
import type { HttpAdapterHost } from '@nestjs/core';
import { PathPattern } from '../handshake/path-pattern.js';
import type { RealtimeOptions } from '../realtime.options.js';
import type { Home } from './attempt.js';
import type { WebSocketTransport } from './websocket/websocket-transport.js';

const DEFAULT_GATEWAY = '/ws';

/** The path of the gateway whose guards, handlers and limits another transport takes: the one named, else the first. */
export function gatewayPath(gateway: string | undefined, { paths }: RealtimeOptions): string {
  return new PathPattern(gateway ?? paths?.[0] ?? DEFAULT_GATEWAY).path;
}

/** Finds that gateway, once the application has begun to listen. */
export function gatewayHome(
  path: string,
  sockets: WebSocketTransport,
  host: HttpAdapterHost,
): () => Home | undefined {
  return () => sockets.endpointAt(host.httpAdapter.getHttpServer() as Server, path);
}
