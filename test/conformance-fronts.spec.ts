import 'reflect-metadata';
import { type ConformanceTarget, type Rule, RULES, runConformance } from '@aerie/realtime/testing';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startHandlers, startWholeGateway, wholeTarget } from './support/conformance-targets.js';
import { FrameFront } from './support/frame-front.js';
import { FRAME_FAULTS } from './support/frame-faults.js';
import type { FrontFault } from './support/front-fault.js';
import { HEAD_FAULTS } from './support/head-faults.js';
import type { RunningGateway } from './support/gateway.js';
import { HeadFront } from './support/head-front.js';
import type { NestApp } from './support/nest-app.js';

/** Several rules in turn wait for what does not come. */
const LIMIT = { timeout: 120_000 };
/** What breaks RFC 6455 ends at the front. */
const BY_ITSELF = ['wire.not-utf8', 'wire.unmasked'];
/** How long a rule waits for what does not come, and for what does. */
const WAIT_MS = { wrong: 1_500, good: 20_000 };

describe('the conformance suite, on a good server behind one', () => {
  let gateway: RunningGateway;
  let app: NestApp;
  let whole: ConformanceTarget;
  let handlers: ConformanceTarget;
  beforeAll(async () => {
    const [started, others] = await Promise.all([startWholeGateway(), startHandlers()]);
    ({ gateway } = started);
    whole = wholeTarget(gateway.port, started.grpcPort);
    ({ app, target: handlers } = others);
  });
  afterAll(() => Promise.all([gateway.stop(), app.close()]));

  /** Which of these rules fail where everything goes through such a front. */
  async function failures(
    names: readonly string[],
    start: (port: number) => Promise<AsyncDisposable & { readonly port: number }>,
    timeoutMs = WAIT_MS.wrong,
  ): Promise<readonly string[]> {
    const rules = RULES.filter(({ name }) => names.includes(name));
    const behind = rules.every(needsHandlers) ? handlers : whole;
    await using front = await start(Number(new URL(behind.url).port));
    const target = { ...behind, url: `ws://127.0.0.1:${front.port}/ws`, timeoutMs };
    const verdicts = await runConformance(target, undefined, rules);
    return verdicts.filter(({ outcome }) => outcome === 'failed').map(({ rule }) => rule);
  }

  it('finds nothing wrong where it changes nothing', LIMIT, async () => {
    const [heads, frames] = [foundBy(HEAD_FAULTS), foundBy(FRAME_FAULTS)];
    expect(await failures(heads, passHeads, WAIT_MS.good)).toEqual([]);
    for (const names of [frames.filter(isOfHandlers), frames])
      expect(await failures(names, passFrames, WAIT_MS.good)).toEqual([]);
  });

  it.concurrent.each(HEAD_FAULTS)('finds in the head that it %s', LIMIT, async (_what, fault, broken) => {
    const failed = await failures(broken, (port) => HeadFront.start(port, fault));
    expect(new Set(failed)).toEqual(new Set(broken));
  });

  it.concurrent.each(FRAME_FAULTS)('finds in the frames that it %s', LIMIT, async (_what, fault, broken) => {
    const failed = await failures(broken, (port) => FrameFront.start(port, fault));
    expect(new Set(failed)).toEqual(new Set(broken));
  });
});

function passHeads(port: number): Promise<HeadFront> {
  return HeadFront.start(port, {});
}

function passFrames(port: number): Promise<FrameFront> {
  return FrameFront.start(port, () => ({}));
}

function foundBy(faults: readonly FrontFault<unknown>[]): readonly string[] {
  return faults.flatMap(([, , broken]) => broken).filter((name) => !BY_ITSELF.includes(name));
}

function isOfHandlers(name: string): boolean {
  return RULES.filter(needsHandlers).some((rule) => rule.name === name);
}

function needsHandlers({ needs = [] }: Rule): boolean {
  return needs.some((need) => need === 'slowEvent' || need === 'streamEvent');
}
