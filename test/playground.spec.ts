import { type Browser, chromium } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ensureChromium } from '../scripts/chromium.mjs';
import { API_KEY, type RunningGateway, startGateway } from './support/gateway.js';

// It shall ask nobody but the gateway.
const BROWSER_ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

let gateway: RunningGateway;
let browser: Browser;

beforeAll(async () => {
  gateway = await startGateway({ NODE_ENV: 'development', DEV: '1' });
  browser = await chromium.launch({ executablePath: ensureChromium(), args: BROWSER_ARGUMENTS });
});
afterAll(async () => {
  await browser?.close();
  await gateway?.stop();
});

it.each([320, 360, 390, 560, 980, 1_440])(
  'fits a window that is %i pixels wide, with both users connected',
  async (width) => {
    const page = await browser.newPage({ viewport: { width, height: 800 } });
    await page.goto(gateway.url);
    await page.click('#start');
    await page.getByText('Connected as bob').waitFor();
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(width);
    await page.close();
  },
);

it('revokes a user so that a new token is taken again', async () => {
  const page = await browser.newPage();
  await page.goto(gateway.url);
  await page.click('#start');
  await page.getByText('Connected as bob').waitFor();
  await page.fill('#server-form [name=key]', API_KEY);
  await page.waitForTimeout(1_000); // bob's token is of an earlier second
  await page.selectOption('#server-form [name=operation]', 'revoke');
  await page.click('#server-form button.primary');
  await page.getByText('Closed 4401').first().waitFor();
  await page.waitForTimeout(1_000); // `iat` counts whole seconds
  await page.click('#start');
  await page.getByText('Connected as bob').waitFor({ timeout: 5_000 });
  await page.close();
});
