import { describe, expect, it } from 'vitest';
import { redactedFault } from './redacted-fault.js';

describe('what a log says of a fault', () => {
  it('has the name, the message and the frames, without the secret in any form', () => {
    const secret = 'aaaaaaaaaa.bbbbbbbbbb+/=.cccccccccc';
    const fault = redactedFault(
      new RangeError(`${secret} bbbbbbbbbb+/= ${encodeURIComponent(secret)}`),
      secret,
    );
    expect(fault.message).toBe('RangeError: [redacted] [redacted] [redacted]');
    expect(fault.stack).toContain('redacted-fault.spec.ts');
    expect(fault.stack).not.toContain('aaaaaaaaaa');
  });

  it('has none of several secrets, and is whole where there are none', () => {
    const fault = redactedFault(
      new Error('one-secret and two=secret at /ws?ticket=three'),
      'one-secret',
      '',
      'two=secret',
      'ticket=three',
    );
    expect(fault.message).toBe('Error: [redacted] and [redacted] at /ws?[redacted]');
    expect(redactedFault(new Error('plain'), undefined, '').message).toBe('Error: plain');
  });

  it('is short, and tells no thrown value that is no error', () => {
    expect(redactedFault(new Error('x'.repeat(5_000)), undefined).message).toHaveLength(300);
    expect(redactedFault('Bearer abc', 'abc')).toEqual({ message: 'threw a string', stack: '' });
  });
});
