import { describe, expect, it } from 'vitest';
import { offersDeflate } from './compression.js';

describe('an offer of compression', () => {
  it.each([
    'permessage-deflate',
    'permessage-deflate; client_max_window_bits',
    'permessage-deflate; client_max_window_bits=10;server_no_context_takeover',
    'permessage-deflate; client_no_context_takeover; server_max_window_bits=12, permessage-deflate',
  ])('is taken: %s', (header) => {
    expect(offersDeflate(header)).toBe(true);
  });

  it.each([
    undefined,
    '',
    'x-webkit-deflate-frame',
    'permessage-deflate; server_max_window_bits=9',
    'permessage-deflate; server_max_window_bits=16',
    'permessage-deflate; server_max_window_bits',
    'permessage-deflate; client_max_window_bits=7',
    'permessage-deflate; client_max_window_bits; client_max_window_bits',
    'permessage-deflate; server_no_context_takeover=1',
    'permessage-deflate; fast',
    'permessage-deflate; =',
    'permessage-deflate, permessage-deflate; server_max_window_bits=8',
  ])('is not taken: %s', (header) => {
    expect(offersDeflate(header)).toBe(false);
  });
});
