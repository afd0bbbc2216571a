import type { ConformanceTarget } from '@aerie/realtime/testing';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { interval, take, type Observable } from 'rxjs';
import { freePort } from './free-port.js';
import { API_KEY, type RunningGateway, startGateway, tokenFor } from './gateway.js';
import { CHANNELS as HISTORY_CHANNELS } from './history-apps.js';
import { type NestApp, startNestApp } from './nest-app.js';

const CHANNELS = {
  channels: [
    {
      pattern: 'room:{id}',
      subscribe: 'authenticated',
      publish: 'authenticated',
      history: { size: 1_000, ttlMs: 60_000 },
      presence: true,
    },
    { pattern: 'plain:{id}', subscribe: 'authenticated', publish: 'authenticated' },
    { pattern: 'secret:{id}', presence: true, history: { size: 10, ttlMs: 60_000 } },
  ],
};
const SLOW_MS = 500;
const tokens = [tokenFor('ann'), tokenFor('bob')] as const;

/** A gateway that has everything but handlers of its own, and where its gRPC is. */
export async function startWholeGateway(
  env: Readonly<Record<string, string>> = {},
): Promise<{ readonly gateway: RunningGateway; readonly grpcPort: number }> {
  const grpcPort = await freePort();
  const gateway = await startGateway({
    CHANNELS: JSON.stringify(CHANNELS),
    COMPRESSION: 'true',
    GRPC_PORT: String(grpcPort),
    HEARTBEAT_INTERVAL_MS: '2000',
    ...env,
  });
  return { gateway, grpcPort };
}

/** Such a gateway, or what stands before some of them, on these ports of 127.0.0.1. */
export function wholeTarget(port: number, grpcPort: number): ConformanceTarget {
  return {
    url: `ws://127.0.0.1:${port}/ws`,
    tokens,
    channel: 'room:*',
    plainChannel: 'plain:*',
    forbiddenChannel: 'secret:1',
    grpcUrl: `http://127.0.0.1:${grpcPort}`,
    api: { url: `http://127.0.0.1:${port}/api`, key: API_KEY },
  };
}

@WebSocketGateway({ path: '/ws' })
class Handlers {
  @SubscribeMessage('slow')
  async slow(): Promise<string> {
    await new Promise((resolve) => setTimeout(resolve, SLOW_MS));
    return 'done';
  }

  @SubscribeMessage('count')
  count(): Observable<number> {
    return interval(5).pipe(take(3));
  }
}

/** An application that has them. */
export async function startHandlers(): Promise<{
  readonly app: NestApp;
  readonly target: ConformanceTarget;
}> {
  const app = await startNestApp({ providers: [Handlers] }, { realtime: { channels: HISTORY_CHANNELS } });
  const names = { channel: 'room:*', slowEvent: 'slow', streamEvent: 'count' };
  return { app, target: { url: app.ws(), tokens, ...names } };
}
