import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { CLOSE, ERROR_STATUS, type ErrorCode } from '@aerie/protocol';
import { describe, expect, it } from 'vitest';
import { Refusal } from '../../refusal.js';
import { STATUS, statusHeaders, statusOfClose, statusOfError, statusOfRefusal } from './grpc-status.js';

const PAGE = fileURLToPath(new URL('../../../../../docs/wire-protocol.md', import.meta.url));

/** The rows of the page's table: status, error codes, close codes. */
const rows = new Map(
  [...readFileSync(PAGE, 'utf8').matchAll(/^\| `([A-Z_]+)` +\|(.*)\|(.*)\|$/gm)].map(
    ([, name, errors = '', closes = '']) => [name, { errors: wordsIn(errors), closes: wordsIn(closes) }],
  ),
);

function wordsIn(cell: string): readonly string[] {
  return cell.match(/[\w]+/g) ?? [];
}

function nameOf(code: number): string | undefined {
  return Object.entries(STATUS).find(([, value]) => value === code)?.[0];
}

describe('the status of a call', () => {
  it.each(Object.keys(ERROR_STATUS) as ErrorCode[])('for %s is the documented one', (code) => {
    expect(rows.get(nameOf(statusOfError(code, '').code))?.errors).toContain(code);
  });

  it.each(Object.values(CLOSE))('for $code is the documented one', (close) => {
    expect(rows.get(nameOf(statusOfClose(close).code))?.closes).toContain(String(close.code));
  });

  it('is ABORTED for a code of the application', () => {
    expect(statusOfClose({ code: 4000, reason: 'bye' })).toMatchObject({
      code: STATUS.ABORTED,
      message: 'bye',
    });
  });

  it('says when to come back', () => {
    expect(statusHeaders(statusOfError('draining', 'not now: ä', 5))).toMatchObject({
      'grpc-status': '14',
      'grpc-message': 'not%20now%3A%20%C3%A4',
      'grpc-retry-pushback-ms': '5000',
    });
    expect(statusHeaders(statusOfClose(CLOSE.normal))).toEqual({ 'grpc-status': '0' });
  });

  it('says which field is wrong, and what to repeat a call with', () => {
    const wrong = new Refusal('invalid', 'no', { details: [{ path: 'channel', message: 'too long' }] });
    expect(detailsOf(wrong)).toMatch(/google\.rpc\.BadRequest.*channel.*too long/s);
    const unknown = new Refusal('unavailable', 'away', { details: { idempotencyKey: 'k-1' } });
    expect(detailsOf(unknown)).toMatch(/google\.rpc\.ErrorInfo.*unavailable.*aerie.*idempotency_key.*k-1/s);
  });
});

function detailsOf(refusal: Refusal): string {
  const details = statusHeaders(statusOfRefusal(refusal))['grpc-status-details-bin'];
  return Buffer.from(String(details), 'base64').toString('latin1');
}
