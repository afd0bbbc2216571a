import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { launchBrowser } from './support/browser.js';
import { API_KEY, type RunningGateway, startGateway } from './support/gateway.js';

let gateway: RunningGateway;
let browser: Browser;

beforeAll(async () => {
  gateway = await startGateway({ NODE_ENV: 'development', DEV: '1' });
  browser = await launchBrowser();
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
