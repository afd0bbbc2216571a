import 'reflect-metadata';
import { type ConformanceTarget, describeConformance, type Rule, RULES } from '@aerie/realtime/testing';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { startHandlers, startWholeGateway, wholeTarget } from './support/conformance-targets.js';
import type { RunningGateway } from './support/gateway.js';
import type { NestApp } from './support/nest-app.js';

/** The gateway has no handlers of its own. */
function needsHandlers({ needs = [] }: Rule): boolean {
  return needs.some((need) => need === 'slowEvent' || need === 'streamEvent');
}

describe('the standalone gateway', () => {
  let gateway: RunningGateway;
  let target: ConformanceTarget;
  beforeAll(async () => {
    const started = await startWholeGateway();
    ({ gateway } = started);
    target = wholeTarget(gateway.port, started.grpcPort);
  });
  afterAll(() => gateway.stop());

  describeConformance(
    () => target,
    { describe, it },
    RULES.filter((rule) => !needsHandlers(rule)),
  );
});

describe("a Nest application's handlers", () => {
  let app: NestApp;
  let target: ConformanceTarget;
  beforeAll(async () => {
    ({ app, target } = await startHandlers());
  });
  afterAll(() => app.close());

  describeConformance(() => target, { describe, it }, RULES.filter(needsHandlers));
});
