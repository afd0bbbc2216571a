import { z } from 'zod';

/** Why a value was not accepted. Never contains the value: it may be a secret. */
export class Fault {
  constructor(readonly message: string) {}
}

/** One environment variable: `read` turns its text into a value, or says what is wrong with it. */
export function field<Value>(read: (text: string) => Value | Fault) {
  return z.string().transform((text, context): Value => {
    const value = read(text);
    if (!(value instanceof Fault)) return value;
    context.addIssue(value.message);
    return z.NEVER;
  });
}

/** A whole number in decimal digits. */
export function integer(min: number, max: number) {
  return field((text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    return value >= min && value <= max ? value : new Fault(`must be a whole number from ${min} to ${max}`);
  });
}

const FLAGS: ReadonlyMap<string, boolean> = new Map([
  ['true', true],
  ['1', true],
  ['false', false],
  ['0', false],
]);

/** `true`, `1`, `false` or `0`. */
export function flag() {
  return field((text) => flagOf(text) ?? new Fault('must be true or false'));
}

/** The value of a flag's text; undefined where it is unset or no flag at all. */
export function flagOf(text: string | undefined): boolean | undefined {
  return text === undefined ? undefined : FLAGS.get(text.toLowerCase());
}

/** Key material: at least `minBytes` bytes of UTF-8. */
export function secret(minBytes: number) {
  return field((text) =>
    Buffer.byteLength(text) >= minBytes ? text : new Fault(`must have at least ${minBytes} bytes`),
  );
}

/** Text that must match `pattern`; `rule` completes "must be …". */
export function matching(pattern: RegExp, rule: string) {
  return field((value) => (pattern.test(value) ? value : new Fault(`must be ${rule}`)));
}

/** Credentials in a URL reach logs, and `fetch` refuses them. */
export function httpUrl() {
  return field((value) => {
    if (!URL.canParse(value)) return new Fault('must be a URL');
    const { protocol, username, password } = new URL(value);
    if (protocol !== 'https:' && protocol !== 'http:') return new Fault('must be an http: or https: URL');
    return username === '' && password === '' ? value : new Fault('must not contain credentials');
  });
}

/** A variable whose feature a later version brings: refused, so that nobody relies on what isn't there. */
export function unsupported() {
  return field((): undefined | Fault => new Fault('not supported by this version'));
}

/** The non-empty, trimmed parts of a comma-separated list. */
export function listOf(value: string): string[] {
  return value
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
}

/** A comma-separated list of texts, one at least. */
export function list() {
  return field((value): readonly string[] | Fault => {
    const parts = listOf(value);
    return parts.length > 0 ? parts : new Fault('must name at least one');
  });
}
