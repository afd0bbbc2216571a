import { type Case, fanout, memory } from './cases.js';
import { crossPod } from './cross-pod.js';

/** One measurement along an axis. */
export interface Point {
  readonly x: number;
  readonly question: Case;
}

export interface Curve {
  readonly name: string;
  readonly axis: string;
  readonly points: readonly Point[];
}

/** How the cost of a delivery or of a connection grows with what there is. */
export const CURVES: readonly Curve[] = [
  {
    name: 'receivers',
    axis: 'receivers of one channel, 8 publications under way',
    points: [1_000, 2_000, 5_000, 10_000, 18_000].map((receivers) => ({
      x: receivers,
      question: fanout('receivers', '', { receivers, window: 8 }),
    })),
  },
  {
    name: 'channels',
    axis: 'channels, 100 subscriptions on each of 1,000 connections, 256 publications under way',
    points: [100, 1_000, 10_000, 100_000].map((channels) => ({
      x: channels,
      question: fanout('channels', '', { receivers: 1_000, channels, channelsEach: 100, window: 256 }),
    })),
  },
  {
    name: 'subscribers',
    axis: 'subscribers of each channel, 1,000 connections with one subscription, 64 publications under way',
    points: [1, 10, 100, 1_000].map((subscribers) => ({
      x: subscribers,
      question: fanout('subscribers', '', { receivers: 1_000, channels: 1_000 / subscribers, window: 64 }),
    })),
  },
  {
    name: 'payload',
    axis: 'bytes of a publication, 1,000 receivers, 8 publications under way',
    points: [64, 256, 1_024, 4_096, 16_384, 60_000].map((payloadBytes) => ({
      x: payloadBytes,
      question: fanout('payload', '', { receivers: 1_000, payloadBytes, window: 8 }),
    })),
  },
  {
    name: 'idle',
    axis: 'idle connections',
    points: [1_000, 5_000, 10_000, 18_000].map((count) => ({
      x: count,
      question: memory('idle', '', count),
    })),
  },
  {
    name: 'pods',
    axis: 'gateways on one Redis, 1,000 receivers, 8 publications under way',
    points: [1, 2, 4].map((pods) => ({ x: pods, question: crossPod('pods', '', pods) })),
  },
];
