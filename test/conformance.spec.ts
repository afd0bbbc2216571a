import 'reflect-metadata';
import { type ConformanceTarget, describeConformance, type Rule, RULES } from '@aerie/realtime/testing';
import { SubscribeMessage, WebSocketGateway } from '@nestjs/websockets';
import { interval, take, type Observable } from 'rxjs';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { freePort } from './support/free-port.js';
import { API_KEY, type RunningGateway, startGateway, tokenFor } from './support/gateway.js';
import { CHANNELS as HISTORY_CHANNELS } from './support/history-apps.js';
import { type NestApp, startNestApp } from './support/nest-app.js';

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

/** The gateway has no handlers of its own. */
function needsHandlers({ needs = [] }: Rule): boolean {
  return needs.some((need) => need === 'slowEvent' || need === 'streamEvent');
}

describe('the standalone gateway', () => {
  let gateway: RunningGateway;
  let target: ConformanceTarget;
  beforeAll(async () => {
    const grpcPort = await freePort();
    gateway = await startGateway({
      CHANNELS: JSON.stringify(CHANNELS),
      COMPRESSION: 'true',
      GRPC_PORT: String(grpcPort),
      HEARTBEAT_INTERVAL_MS: '2000',
    });
    target = {
      url: gateway.ws(),
      tokens: [tokenFor('ann'), tokenFor('bob')],
      channel: 'room:*',
      plainChannel: 'plain:*',
      forbiddenChannel: 'secret:1',
      grpcUrl: `http://127.0.0.1:${grpcPort}`,
      api: { url: `${gateway.url}/api`, key: API_KEY },
    };
  });
  afterAll(() => gateway.stop());

  describeConformance(
    () => target,
    { describe, it },
    RULES.filter((rule) => !needsHandlers(rule)),
  );
});

const SLOW_MS = 500;

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

describe("a Nest application's handlers", () => {
  let app: NestApp;
  beforeAll(async () => {
    app = await startNestApp({ providers: [Handlers] }, { realtime: { channels: HISTORY_CHANNELS } });
  });
  afterAll(() => app.close());

  const names = { channel: 'room:*', slowEvent: 'slow', streamEvent: 'count' };
  const tokens = [tokenFor('ann'), tokenFor('bob')] as const;
  describeConformance(
    () => ({ url: app.ws(), tokens, ...names }),
    { describe, it },
    RULES.filter(needsHandlers),
  );
});
