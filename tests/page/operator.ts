import type { Locator, Page } from 'playwright-core';

/** What an operator does with the page. */

const RUN_MS = 240_000;

export function panelOf(page: Page, name: string): Locator {
  return page.getByRole('region', { name, exact: true });
}

export function dialogOf(page: Page): Locator {
  return page.getByRole('dialog');
}

/** Opens the dialog of an action. */
export async function beginOn(page: Page, action: string): Promise<void> {
  await page.getByRole('navigation', { name: 'Actions' }).getByRole('button', { name: action }).click();
  await dialogOf(page).waitFor();
}

/** Presses a button of the dialog. */
export async function pressOn(page: Page, button: string): Promise<void> {
  await dialogOf(page).getByRole('button', { name: button, exact: true }).click();
}

/** Waits until the dialog's run is over; returns what it says of it. */
export async function endOn(page: Page): Promise<string> {
  const end = dialogOf(page).locator('p.end');
  await end.waitFor({ timeout: RUN_MS });
  return end.innerText();
}

export async function closeOn(page: Page): Promise<void> {
  await page.keyboard.press('Escape');
  await dialogOf(page).waitFor({ state: 'detached' });
}

/** Watches the progress of the dialog's run; returns the figures that it showed on the way. */
export async function figuresUntilEnd(page: Page): Promise<ReadonlySet<string>> {
  const seen = new Set<string>();
  const progress = dialogOf(page).locator('.progress');
  while ((await dialogOf(page).locator('p.end').count()) === 0) {
    const words = await progress.innerText({ timeout: 500 }).catch(() => '');
    const figures = /\d[\d,]* (?:of \d[\d,]* )?(?:keys|parts)/.exec(words)?.[0];
    if (figures !== undefined) seen.add(figures);
    await page.waitForTimeout(100);
  }
  return seen;
}
