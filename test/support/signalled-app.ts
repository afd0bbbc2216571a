/** A small application for the specs of signals. Says on stdout what happens, in order. */
import 'reflect-metadata';
import { Drain, drainOnSignals } from '@aerie/realtime/drain';
import { Injectable, Module, type OnApplicationShutdown, type OnModuleDestroy } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';

const { LAME_DUCK_MS = '0', HOOKS = 'drain', CLOSING = 'quick' } = process.env;

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

@Injectable()
class Database implements OnModuleDestroy, OnApplicationShutdown {
  onModuleDestroy(): void {
    say('database closed');
  }
  async onApplicationShutdown(): Promise<void> {
    if (CLOSING === 'hangs') await new Promise((resolve) => setTimeout(resolve, 60_000));
    say('closed');
  }
}

const nobody = {
  size: 0,
  all: () => [].values(),
  onAdded: () => () => undefined,
  onRemoved: () => () => undefined,
};
const door = { state: 'open', beginLameDuck: () => undefined, closeDoor: () => undefined } as const;
const drain = new Drain({ registry: nobody, admission: door }, { lameDuckMs: Number(LAME_DUCK_MS) });
drain.onPhase((phase) => say(phase));

@Module({ providers: [Database, { provide: Drain, useValue: drain }] })
class App {}

const app = await NestFactory.create(App, { logger: false });
if (HOOKS !== 'drain') app.enableShutdownHooks(['SIGTERM', 'SIGINT']);
if (HOOKS !== 'nest') await drainOnSignals(app);
await app.listen(0, '127.0.0.1');
process.on('message', (message) => void (message === 'leave' && drain.leave()));
say('ready');
