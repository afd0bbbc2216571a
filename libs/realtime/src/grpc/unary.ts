import { GrpcCall } from '../transports/grpc/grpc-call.js';
import { OK, statusOfError, statusOfRefusal } from '../transports/grpc/grpc-status.js';
import { MessageReader } from '../transports/grpc/message-reader.js';
import { Refusal } from '../refusal.js';
import type { GrpcMethod } from './grpc-server.js';

/** How long the one message of a call may take to come. */
const REQUEST_MS = 15_000;

/** What a call with one message is answered with. */
export type Answer = (message: Buffer, call: GrpcCall) => Promise<Buffer | Refusal> | Buffer | Refusal;

/** A method that takes one message and answers with one. */
export function unary(maxBytes: number, answer: Answer): GrpcMethod {
  return async (call) => {
    const message = await oneMessage(call, maxBytes);
    if (call.isOver) return;
    if (message instanceof Refusal) return call.end(statusOfRefusal(message));
    const reply = await answer(message, call);
    if (reply instanceof Refusal) return call.end(statusOfRefusal(reply));
    call.send(reply);
    call.end(OK);
  };
}

/** Calls `take` for every message of a call until the client ends it. */
export function eachMessage(call: GrpcCall, maxBytes: number, take: (message: Buffer) => void): void {
  const reader = new MessageReader(maxBytes);
  call.stream.on('data', (chunk: Buffer) => {
    const fault = reader.push(chunk, take);
    if (fault !== undefined) call.end(statusOfError('too_large', `a message is at most ${maxBytes} bytes`));
  });
}

function oneMessage(call: GrpcCall, maxBytes: number): Promise<Buffer | Refusal> {
  return new Promise((resolve) => {
    let only: Buffer | undefined;
    const timer = setTimeout(() => resolve(new Refusal('timeout', 'the message did not come')), REQUEST_MS);
    const settle = (outcome: Buffer | Refusal): void => {
      clearTimeout(timer);
      resolve(outcome);
    };
    eachMessage(call, maxBytes, (message) => (only ??= message));
    call.stream.on('end', () => settle(only ?? new Refusal('invalid', 'the call has no message')));
    call.stream.on('close', () => settle(new Refusal('invalid', 'the call was cancelled')));
  });
}
