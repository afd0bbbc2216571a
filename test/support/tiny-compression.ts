import type { IncomingMessage } from 'node:http';
import type { PerMessageDeflateOptions, WebSocket } from 'ws';

/** What the part with compression may get wrong. */
export type CompressionFault = 'agrees to windows' | 'keeps a window' | 'refuses odd offers';

const EXTENSION = 'permessage-deflate';
const threshold = 128;

export function deflateOf(fault?: string): PerMessageDeflateOptions {
  if (fault === 'agrees to windows') return { threshold };
  return { threshold, serverNoContextTakeover: true, clientNoContextTakeover: true };
}

/** Whether there is nothing in an offer that nobody knows: `ws` would refuse it. */
export function understood({ headers }: IncomingMessage): boolean {
  const [, ...parameters] = (headers['sec-websocket-extensions'] ?? '').split(';').map((part) => part.trim());
  return parameters.every((parameter) =>
    /^(client|server)_(no_context_takeover|max_window_bits(=1?\d)?)$/.test(parameter),
  );
}

/** Agreed not to keep one, and does. */
export function keepWindow(socket: WebSocket): void {
  const { [EXTENSION]: deflate } = Reflect.get(socket, '_extensions') as {
    [EXTENSION]?: { params: { server_no_context_takeover: boolean } };
  };
  if (deflate !== undefined) deflate.params.server_no_context_takeover = false;
}
