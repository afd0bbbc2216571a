import { STATUS } from '../../../transports/grpc/grpc-status.js';
import { bytesOf, ProtoWriter, readFields, textOf } from '../../../transports/grpc/protobuf.js';
import { hasStatus, saysWhy } from '../client-call.js';
import { ensure, equal } from '../expectations.js';
import type { Rule } from '../rule.js';
import { type Trial, unique } from '../trial.js';

const needs = ['grpcUrl'] as const;
const SERVICE = 'aerie.v1.Realtime';
const PUBLISH = `/${SERVICE}/Publish`;
const CHECK = '/grpc.health.v1.Health/Check';
const REFLECTION = '/grpc.reflection.v1.ServerReflection/ServerReflectionInfo';
const SERVING = 1;

/** What there is beside connections. */
export const grpcServiceRules: readonly Rule[] = [
  {
    name: 'grpc.unknown-method',
    says: 'a method that the service does not have is UNIMPLEMENTED',
    needs,
    run: async (trial) => {
      const path = `/${SERVICE}/Conformance`;
      const end = await trial.grpc.call(path, { token: trial.token(0), message: new Uint8Array() });
      hasStatus(end, STATUS.UNIMPLEMENTED);
    },
  },
  {
    name: 'grpc.publish',
    says: 'Publish with an API key publishes once for each idempotency key, and tells the position',
    needs: [...needs, 'api'],
    run: async (trial) => {
      const talker = await trial.welcomed();
      const [channel, event] = [trial.channel(), unique()];
      await talker.request('$subscribe', { channel });
      const same = { channel, event: unique(), key: unique() };
      const [first, repeated] = [await published(trial, same), await published(trial, same)];
      equal({ ...repeated, duplicate: false }, first, 'the position of a repeat');
      equal(repeated.duplicate, true, 'duplicate');
      await published(trial, { channel, event, key: unique() });
      const frame = await talker.frame(event);
      equal(frame.from, undefined, 'from');
      equal(frame.offset, first.offset + 1, 'the offset behind it');
      equal(
        talker.received.filter((one) => one.event === same.event).length,
        1,
        'the number of publications',
      );
    },
  },
  {
    name: 'grpc.publish-refused',
    says: "a user's token is no API key: Publish is UNAUTHENTICATED",
    needs,
    run: async (trial) => {
      const message = publishRequest({ channel: trial.channel(), event: unique(), key: unique() });
      const end = await trial.grpc.call(PUBLISH, { token: trial.token(0), message });
      saysWhy(end, STATUS.UNAUTHENTICATED, 'unauthenticated');
    },
  },
  {
    name: 'grpc.reflection',
    says: 'server reflection lists the service, and tells its schema',
    needs,
    run: async (trial) => {
      const listed = await reflected(trial, new ProtoWriter().message(7, new Uint8Array()).finish());
      const names = bytesOf(fieldsIn(bytesOf(listed, 6)[0]), 1).map((one) => textOf(fieldsIn(one), 1));
      ensure(names.includes(SERVICE), `${SERVICE} is not among ${names.join(', ')}`);
      const described = await reflected(trial, new ProtoWriter().text(4, SERVICE).finish());
      const files = bytesOf(fieldsIn(bytesOf(described, 4)[0]), 1);
      ensure(files.some(describesService), 'no file has the service with Connect and Publish');
    },
  },
  {
    name: 'grpc.health',
    says: 'the health service says SERVING for the whole and for the service, and NOT_FOUND for one that it does not know',
    needs,
    run: async (trial) => {
      const check = (service: string) =>
        trial.grpc.call(CHECK, { message: new ProtoWriter().text(1, service).finish() });
      for (const service of ['', SERVICE]) {
        const outcome = await check(service);
        hasStatus(outcome, STATUS.OK);
        equal(
          numberIn(fieldsIn(outcome.messages[0]), 1),
          SERVING,
          `the health of ${JSON.stringify(service)}`,
        );
      }
      hasStatus(await check(unique()), STATUS.NOT_FOUND);
    },
  },
];

interface Publishing {
  readonly channel: string;
  readonly event: string;
  readonly key: string;
}

function publishRequest({ channel, event, key }: Publishing): Buffer {
  return new ProtoWriter().text(1, channel).text(2, event).text(3, '{"by":"gRPC"}').text(4, key).finish();
}

/** What `Publish` answers to a backend. */
async function published(trial: Trial, publishing: Publishing) {
  const message = publishRequest(publishing);
  const outcome = await trial.grpc.call(PUBLISH, { token: trial.target.api?.key, message });
  hasStatus(outcome, STATUS.OK);
  const fields = fieldsIn(outcome.messages[0]);
  equal(textOf(fields, 1), publishing.channel, 'channel');
  return { epoch: textOf(fields, 2), offset: numberIn(fields, 3), duplicate: numberIn(fields, 4) === 1 };
}

async function reflected(trial: Trial, message: Uint8Array) {
  const outcome = await trial.grpc.call(REFLECTION, { message });
  hasStatus(outcome, STATUS.OK);
  return fieldsIn(outcome.messages[0]);
}

/** Whether a google.protobuf.FileDescriptorProto has the service with its methods. */
function describesService(file: Buffer): boolean {
  const services = bytesOf(fieldsIn(file), 6).map(fieldsIn);
  const found = services.find((fields) => textOf(fields, 1) === 'Realtime');
  const methods = bytesOf(found ?? [], 2).map((method) => textOf(fieldsIn(method), 1));
  return methods.includes('Connect') && methods.includes('Publish');
}

function fieldsIn(bytes: Buffer | undefined) {
  return readFields(bytes ?? Buffer.alloc(0)) ?? [];
}

function numberIn(fields: ReturnType<typeof fieldsIn>, number: number): number {
  return Number(fields.find((field) => field.number === number)?.value ?? 0);
}
