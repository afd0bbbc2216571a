import type { LoggerService } from '@nestjs/common';
import { pino, type Logger } from 'pino';
import type { LogLevel } from './env.js';

type Level = 'info' | 'warn' | 'error' | 'debug' | 'trace' | 'fatal';

/** Nest's log as JSON lines: an object that is logged becomes the line's own fields. */
export class PinoLogger implements LoggerService {
  readonly #pino: Logger;

  constructor(level: LogLevel) {
    this.#pino = pino({
      level,
      base: { service: 'aerie-gateway' },
      timestamp: pino.stdTimeFunctions.isoTime,
    });
  }

  log(message: unknown, ...rest: unknown[]): void {
    this.#write('info', message, rest);
  }

  warn(message: unknown, ...rest: unknown[]): void {
    this.#write('warn', message, rest);
  }

  error(message: unknown, ...rest: unknown[]): void {
    this.#write('error', message, rest);
  }

  debug(message: unknown, ...rest: unknown[]): void {
    this.#write('debug', message, rest);
  }

  verbose(message: unknown, ...rest: unknown[]): void {
    this.#write('trace', message, rest);
  }

  fatal(message: unknown, ...rest: unknown[]): void {
    this.#write('fatal', message, rest);
  }

  // Nest appends the context last, and before it the stack of an error.
  #write(level: Level, message: unknown, rest: unknown[]): void {
    // One per handshake: where it isn't kept it costs nothing.
    if (!this.#pino.isLevelEnabled(level)) return;
    const context = rest.at(-1);
    const stack = rest.length > 1 && typeof rest[0] === 'string' ? { stack: rest[0] } : {};
    const fields = { ...(typeof context === 'string' && { context }), ...stack };
    if (message instanceof Error) this.#pino[level]({ ...fields, err: message });
    else if (typeof message === 'object' && message !== null) this.#writeObject(level, fields, message);
    else this.#pino[level](fields, String(message));
  }

  #writeObject(level: Level, fields: object, entry: object): void {
    const { message, ...own } = { message: undefined, ...entry } as { message?: unknown };
    this.#pino[level]({ ...fields, ...own }, typeof message === 'string' ? message : undefined);
  }
}
