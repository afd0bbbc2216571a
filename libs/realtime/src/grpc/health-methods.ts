import { Refusal } from '../refusal.js';
import type { GrpcCall } from '../transports/grpc/grpc-call.js';
import { ProtoWriter, readFields, textOf } from '../transports/grpc/protobuf.js';
import type { GrpcMethod } from './grpc-server.js';
import { eachMessage, unary } from './unary.js';

const MAX_BYTES = 4 * 1024;
const LOOK_EVERY_MS = 1_000;
/** `ServingStatus`. */
const SERVING = 1;
const NOT_SERVING = 2;
const SERVICE_UNKNOWN = 3;

/** grpc.health.v1.Health: whether this node is ready, for it as a whole (empty name) and for each of `services`. */
export function healthMethods(
  services: readonly string[],
  isReady: () => boolean,
): readonly (readonly [string, GrpcMethod])[] {
  const known = new Set(['', ...services]);
  const status = (service: string): number => {
    if (!known.has(service)) return SERVICE_UNKNOWN;
    return isReady() ? SERVING : NOT_SERVING;
  };
  return [
    [
      '/grpc.health.v1.Health/Check',
      unary(MAX_BYTES, (message) => {
        const now = status(serviceIn(message));
        return now === SERVICE_UNKNOWN ? new Refusal('not_found', 'unknown service') : response(now);
      }),
    ],
    ['/grpc.health.v1.Health/Watch', (call) => watch(call, status)],
    ['/grpc.health.v1.Health/List', unary(MAX_BYTES, () => listOf([...known], status))],
  ];
}

function watch(call: GrpcCall, status: (service: string) => number): void {
  let timer: NodeJS.Timeout | undefined;
  eachMessage(call, MAX_BYTES, (message) => {
    if (timer !== undefined) return;
    const service = serviceIn(message);
    let told: number | undefined;
    const tell = (): void => {
      const now = status(service);
      // Who does not read is told the newest when it does.
      if (now === told || call.stream.writableLength > 0) return;
      told = now;
      call.send(response(now));
    };
    timer = setInterval(tell, LOOK_EVERY_MS).unref();
    tell();
  });
  call.stream.on('close', () => clearInterval(timer));
}

function serviceIn(message: Buffer): string {
  return textOf(readFields(message) ?? [], 1);
}

function response(status: number): Buffer {
  return new ProtoWriter().number(1, status).finish();
}

function listOf(services: readonly string[], status: (service: string) => number): Buffer {
  const writer = new ProtoWriter();
  for (const service of services)
    writer.message(
      1,
      new ProtoWriter()
        .text(1, service)
        .message(2, response(status(service)))
        .finish(),
    );
  return writer.finish();
}
