import { type Browser, chromium } from 'playwright-core';
import { ensureChromium } from '../../scripts/chromium.mjs';

// It shall ask nobody but the gateway.
const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** A real Chromium, without a window. Whoever launches it closes it. */
export function launchBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: ensureChromium(), args: ARGUMENTS });
}
