import { type ConformanceTarget, describeConformance } from '@aerie/realtime/testing';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { makeCertificate } from './support/certificate.js';
import { startWholeGateway, wholeTarget } from './support/conformance-targets.js';
import { freePort } from './support/free-port.js';
import { type Nginx, startNginx } from './support/nginx.js';
import { type RedisServer, startRedis } from './support/redis-server.js';

describe('two gateways on Redis, behind nginx', () => {
  let redis: RedisServer;
  let fleet: readonly Awaited<ReturnType<typeof startWholeGateway>>[];
  let nginx: Nginx;
  let target: ConformanceTarget;
  beforeAll(async () => {
    redis = await startRedis();
    const env = { REDIS_URL: redis.url, TRUST_PROXY: '127.0.0.1' };
    fleet = await Promise.all([startWholeGateway(env), startWholeGateway(env)]);
    const grpcPort = await freePort();
    nginx = await startNginx(
      'deployed',
      fleet.map(({ gateway }) => gateway.port),
      {
        upstreams: fleet.map((one) => one.grpcPort),
        port: grpcPort,
        tlsPort: await freePort(),
        certificate: makeCertificate(),
      },
    );
    target = wholeTarget(nginx.port, grpcPort);
  });
  afterAll(async () => {
    await nginx.stop();
    await Promise.all(fleet.map(({ gateway }) => gateway.stop()));
    await redis.stop();
  });

  describeConformance(() => target, { describe, it });
});
