import { block, type Case, connects, echo, fanout, latency, memory } from './cases.js';
import { comeBack } from './come-back.js';
import { crossPod } from './cross-pod.js';

const HISTORY = { servers: 1, among: ['Aerie', 'Aerie, history'] };
const LARGE = { receivers: 10_000, window: 8, payloadBytes: 1_024 };

/** The questions of `npm run bench`, in the order in which they are asked. */
export const CASES: readonly Case[] = [
  fanout('fanout-1k-w1', 'Fan-out to 1,000, 1 under way', { receivers: 1_000, window: 1 }),
  fanout('fanout-1k-w8', 'Fan-out to 1,000, 8 under way', { receivers: 1_000, window: 8 }),
  fanout('fanout-1k-w16', 'Fan-out to 1,000, 16 under way', { receivers: 1_000, window: 16 }),
  fanout('fanout-10k-w1', 'Fan-out to 10,000, 1 under way', { receivers: 10_000, window: 1 }),
  fanout('fanout-10k-w8', 'Fan-out to 10,000, 8 under way', { receivers: 10_000, window: 8 }),
  fanout('fanout-10k-w16', 'Fan-out to 10,000, 16 under way', { receivers: 10_000, window: 16 }),
  latency('latency-1k', 'Latency at 50 publications/s to 1,000', { receivers: 1_000, rate: 50 }),
  block('block-10k', 'Wait of others while 10,000 are served', { receivers: 10_000, rate: 4 }),
  fanout('channels-10k', '10,000 channels with 10 subscribers', {
    receivers: 1_000,
    channels: 10_000,
    channelsEach: 100,
    window: 64,
  }),
  fanout('all-read', 'Fan-out of 1 KiB to 10,000, 8 under way', LARGE),
  fanout('stuck-readers', 'The same where 1 % read nothing', { ...LARGE, stuck: 100 }),
  echo('echo-100', 'Echo through guard, pipe and interceptor, 100 connections', 100),
  echo('echo-1k', 'Echo through guard, pipe and interceptor, 1,000 connections', 1_000),
  connects('connects', 'Connects with a verified token (others: without)'),
  memory('memory-10k', 'Resident memory of an idle connection', 10_000),
  crossPod('cross-pod', 'Fan-out over Redis, two servers, 1,000 receivers, 8 under way'),
  crossPod('history-1', 'Publications over Redis to 1 receiver, 64 under way, without and with a history', {
    ...HISTORY,
    receivers: 1,
    window: 64,
  }),
  crossPod('history-1k', 'The same to 1,000 receivers, 8 under way', HISTORY),
  comeBack('return-10k', '10,000 that were cut off come back within 0.5 s and recover', {
    clients: 10_000,
    spreadSeconds: 0.5,
    key: 'p99Us',
  }),
  comeBack('return-10k-10s', 'The same, coming back within 10 s', {
    clients: 10_000,
    spreadSeconds: 10,
    key: 'p99Us',
  }),
  comeBack('drops-10k', 'Publications to 10,000, each of which is away for 2 s once within 30 s', {
    clients: 10_000,
    cutSeconds: 30,
    key: 'arrivalP99Us',
  }),
];

/** The questions of `npm run bench -- --curves`: how the cost of a delivery or of a connection grows with what there is. */
export const CURVES: readonly Case[] = [
  ...[1_000, 2_000, 5_000, 10_000, 18_000].map((receivers) =>
    fanout(`receivers-${receivers}`, `${shown(receivers)} receivers of one channel, 8 under way`, {
      receivers,
      window: 8,
    }),
  ),
  ...[100, 1_000, 10_000, 100_000].map((channels) =>
    fanout(`channels-${channels}`, `${shown(channels)} channels, 100,000 subscriptions, 256 under way`, {
      receivers: 1_000,
      channels,
      channelsEach: 100,
      window: 256,
    }),
  ),
  ...[1, 10, 100, 1_000].map((each) =>
    fanout(`subscribers-${each}`, `${shown(each)} of 1,000 subscribers for each channel, 64 under way`, {
      receivers: 1_000,
      channels: 1_000 / each,
      window: 64,
    }),
  ),
  ...[64, 256, 1_024, 4_096, 16_384, 60_000].map((payloadBytes) =>
    fanout(`payload-${payloadBytes}`, `Publications of ${shown(payloadBytes)} bytes to 1,000, 8 under way`, {
      receivers: 1_000,
      payloadBytes,
      window: 8,
    }),
  ),
  ...[1_000, 5_000, 10_000, 18_000].map((count) =>
    memory(`idle-${count}`, `Resident memory of one of ${shown(count)} idle connections`, count),
  ),
  ...[1, 2, 4].map((count) =>
    crossPod(`gateways-${count}`, `Gateways on one Redis: ${count}, 1,000 receivers, 8 under way`, {
      servers: count,
    }),
  ),
];

function shown(count: number): string {
  return count.toLocaleString('en');
}
