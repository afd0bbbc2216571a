import 'reflect-metadata';
import { ConsoleLogger, type LoggerService } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { NestExpressApplication } from '@nestjs/platform-express';
import { drainOnSignals, InternalServer } from '@aerie/realtime/drain';
import { EnvError, type GatewayEnv, readEnv } from './env.js';
import { GatewayModule } from './gateway.module.js';
import { notFound } from './not-found.js';
import { PinoLogger } from './pino-logger.js';

const KEEP_ALIVE_MS = 65_000;
const HEADERS_MS = 10_000;
const REQUEST_MS = 15_000;
/** Node looks for requests past their time this often; its default of 30 s would let headers take 40 s. */
const CHECK_MS = 1_000;

async function bootstrap(env: GatewayEnv): Promise<void> {
  const app = await NestFactory.create<NestExpressApplication>(GatewayModule.for(env), {
    logger: loggerFor(env),
    bodyParser: false,
    forceCloseConnections: true,
  });
  app.disable('x-powered-by');
  app.use(notFound);
  const server = app.getHttpServer();
  server.keepAliveTimeout = KEEP_ALIVE_MS;
  server.headersTimeout = HEADERS_MS;
  server.requestTimeout = REQUEST_MS;
  // An option of createServer, which Nest calls; read when the server begins to listen.
  Object.assign(server, { connectionsCheckingInterval: CHECK_MS });
  await app.listen(env.http.port, env.http.host);
  await drainOnSignals(app);
  greet(env, await app.getUrl(), app.get(InternalServer).port);
}

// People read the console in development, machines in production.
function loggerFor({ production, logLevel }: GatewayEnv): LoggerService {
  if (production || logLevel !== 'info') return new PinoLogger(logLevel);
  return new ConsoleLogger({
    logLevels: ['log', 'warn', 'error', 'fatal'],
    compact: true,
    breakLength: Infinity,
  });
}

function greet({ dev, warnings }: GatewayEnv, url: string, internalPort: number): void {
  for (const warning of warnings) console.warn(warning);
  const lines = [
    `Aerie listens on ${url}`,
    `  WebSocket    ${url.replace(/^http/, 'ws')}/ws`,
    `  Server API   ${url}/api/docs`,
    `  Health       ${url}/health/ready`,
    `  Internal     http://127.0.0.1:${internalPort}/internal/state`,
  ];
  if (dev) lines.splice(1, 0, `  Playground   ${url}/`);
  console.log(lines.join('\n'));
}

try {
  await bootstrap(readEnv());
} catch (error) {
  console.error(error instanceof EnvError ? error.message : error);
  process.exit(1);
}
