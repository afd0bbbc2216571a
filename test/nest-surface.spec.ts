import {
  type CanActivate,
  Controller,
  Delete,
  Get,
  type INestApplicationContext,
  Injectable,
  Module,
  Post,
} from '@nestjs/common';
import { APP_GUARD, NestFactory } from '@nestjs/core';
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import { WebSocketGateway } from '@nestjs/websockets';
import { Test } from '@nestjs/testing';
import { RealtimeService } from '@aerie/realtime';
import { RealtimeApiModule } from '@aerie/realtime/api';
import { RealtimeHealthModule } from '@aerie/realtime/health';
import { RealtimeMetricsModule } from '@aerie/realtime/metrics';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { tokenFor } from './support/gateway.js';
import { type HttpPlatform, type NestApp, realtime, startNestApp } from './support/nest-app.js';

const KEY = 'a-key-of-this-spec-alone-and-long-enough';
const SURFACES = ['/api/info', '/health/live', '/health/ready', '/metrics'];

@WebSocketGateway({ path: '/ws' })
class PlainGateway {}

@Controller('hello')
class HelloController {
  @Get()
  hello(): string {
    return 'hello';
  }
}

@WebSocketGateway({ path: '/chat' })
class ChatGateway {}

@WebSocketGateway()
class RootGateway {}

@Controller()
class ChatController {
  @Get()
  home(): string {
    return 'home';
  }

  @Post('chat')
  say(): string {
    return 'said';
  }

  @Delete('chat')
  clear(): string {
    return 'cleared';
  }
}

/** The application's own: nobody comes in over HTTP, nor through its handshake, without the word. */
@Injectable()
class WordGuard implements CanActivate {
  static asked = 0;
  canActivate(): boolean {
    WordGuard.asked += 1;
    return false;
  }
}

const surfaces = [
  RealtimeApiModule.forRoot({ keys: [{ name: 'spec', scope: 'admin', secret: KEY }] }),
  RealtimeHealthModule.forRoot({}),
  RealtimeMetricsModule.forRoot({}),
];

describe.each<HttpPlatform>(['express', 'fastify'])(
  'an application on %s that imports RealtimeModule alone',
  (platform) => {
    let app: NestApp;
    beforeAll(async () => {
      app = await startNestApp({ providers: [PlainGateway], controllers: [HelloController] }, { platform });
    });
    afterAll(() => app.close());

    it.each([...SURFACES, '/tickets', '/console', '/'])('serves nothing else: %s', async (path) => {
      for (const method of ['GET', 'POST'])
        expect(
          (await fetch(app.url(path), { method, headers: { authorization: `Bearer ${KEY}` } })).status,
        ).toBe(404);
    });

    it('has a Swagger document without anything of it', () => {
      const document = SwaggerModule.createDocument(app.app, new DocumentBuilder().build());
      expect(Object.keys(document.paths)).toEqual(['/hello']);
    });
  },
);

describe.each<HttpPlatform>(['express', 'fastify'])(
  'an application on %s whose routes have the paths of its gateways',
  (platform) => {
    let app: NestApp;
    beforeAll(async () => {
      const gateways = [ChatGateway, RootGateway];
      const module = { providers: gateways, controllers: [ChatController] };
      app = await startNestApp(module, { platform, realtime: { paths: ['/', '/chat'] } });
    });
    afterAll(() => app.close());

    it.each([
      ['GET', '/', 'home'],
      ['POST', '/chat', 'said'],
      ['DELETE', '/chat', 'cleared'],
    ])('keeps them: %s %s', async (method, path, answer) => {
      const response = await fetch(app.url(path), { method });
      expect([response.ok, await response.text()]).toEqual([true, answer]);
    });

    it('tells who asks by GET why an upgrade would fail', async () => {
      expect((await fetch(app.url('/chat'), { headers: { authorization: 'Bearer bad' } })).status).toBe(401);
    });
  },
);

describe.each<HttpPlatform>(['express', 'fastify'])('an application on %s that opts in', (platform) => {
  let app: NestApp;
  beforeAll(async () => {
    app = await startNestApp(
      {
        imports: surfaces,
        providers: [PlainGateway, { provide: APP_GUARD, useClass: WordGuard }],
        controllers: [HelloController],
      },
      {
        platform,
        realtime: { tickets: true, origins: { allowed: ['https://app.example.com'] } },
        prepare: (nest) => {
          nest.setGlobalPrefix('v1');
          nest.enableCors({ origin: 'https://other.example.com' });
        },
      },
    );
  });
  afterAll(() => app.close());

  it('has them outside of its prefix and its guards', async () => {
    WordGuard.asked = 0;
    const headers = { authorization: `Bearer ${KEY}` };
    for (const path of SURFACES)
      expect([path, (await fetch(app.url(path), { headers })).status]).toEqual([path, 200]);
    expect(WordGuard.asked).toBe(0);
    expect((await fetch(app.url('/v1/hello'))).status).toBe(403);
  });

  it('keeps its Swagger document', () => {
    const document = SwaggerModule.createDocument(app.app, new DocumentBuilder().build());
    expect(Object.keys(document.paths)).toEqual(['/v1/hello']);
  });

  it("answers with Aerie's origins on Aerie's routes, with its own on the rest", async () => {
    const ask = (path: string, origin: string): Promise<Response> =>
      fetch(app.url(path), {
        method: 'OPTIONS',
        headers: {
          origin,
          'access-control-request-method': 'POST',
          'access-control-request-headers': 'authorization',
        },
      });
    const tickets = await ask('/tickets', 'https://app.example.com');
    expect(tickets.headers.get('access-control-allow-origin')).toBe('https://app.example.com');
    const foreign = await ask('/tickets', 'https://other.example.com');
    expect(foreign.headers.get('access-control-allow-origin')).toBeNull();
    const own = await ask('/v1/hello', 'https://other.example.com');
    expect(own.headers.get('access-control-allow-origin')).toBe('https://other.example.com');
  });

  it('gives tickets to whom Aerie knows', async () => {
    const headers = { authorization: `Bearer ${tokenFor('alice')}`, 'content-type': 'application/json' };
    const response = await fetch(app.url('/tickets'), { method: 'POST', headers, body: '{}' });
    expect(await response.json()).toMatchObject({ ticket: expect.any(String) as unknown });
    expect((await fetch(app.url('/tickets'), { method: 'POST' })).status).toBeGreaterThanOrEqual(400);
  });
});

describe('an application without an HTTP server', () => {
  @Module({ imports: [realtime()] })
  class WorkerModule {}

  it.each<[string, () => Promise<INestApplicationContext>]>([
    [
      'a worker',
      () => NestFactory.createApplicationContext(WorkerModule, { logger: false, abortOnError: false }),
    ],
    [
      'a testing module',
      async () => {
        const context = await Test.createTestingModule({ imports: [WorkerModule] }).compile();
        return context.init();
      },
    ],
  ])('publishes all the same, and closes: %s', async (_name, start) => {
    const context = await start();
    const service = context.get<RealtimeService<{ 'order.status': string }>>(RealtimeService);
    expect(await service.user('alice').emit('order.status', 'packed')).toMatchObject({ ok: true });
    await context.close();
  });
});
