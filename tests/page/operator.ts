import type { Locator, Page } from 'playwright-core';

/** What an operator does with the page. */

const RUN_MS = 240_000;

export function panelOf(page: Page, name: string): Locator {
  return page.getByRole('region', { name, exact: true });
}

export function dialogOf(page: Page): Locator {
  return page.getByRole('dialog');
}

/** Goes to a view by its link in the frame. */
export async function visit(page: Page, view: string): Promise<void> {
  await page.getByRole('navigation', { name: 'Views' }).getByRole('link', { name: view }).click();
  await page.getByRole('heading', { name: view, level: 1 }).waitFor({ state: 'attached' });
}

/** Opens the dialog of an action of the overview. */
export async function beginOn(page: Page, action: string): Promise<void> {
  await visit(page, 'Overview');
  await page.getByRole('navigation', { name: 'Actions' }).getByRole('link', { name: action }).click();
  await dialogOf(page).waitFor();
}

/** Presses a button of the dialog. */
export async function pressOn(page: Page, button: string): Promise<void> {
  await dialogOf(page).getByRole('button', { name: button, exact: true }).click();
}

/** Waits until the run that the page shows is over; returns what it says of it. */
export async function endOn(page: Page): Promise<string> {
  await page.locator('strong.end').waitFor({ timeout: RUN_MS });
  return panelOf(page, 'State').innerText();
}

/** Watches the progress of the run that the page shows; returns the figures that it showed on the way. */
export async function figuresUntilEnd(page: Page): Promise<ReadonlySet<string>> {
  const seen = new Set<string>();
  const progress = page.locator('.progress');
  while ((await page.locator('strong.end').count()) === 0) {
    const words = await progress.innerText({ timeout: 500 }).catch(() => '');
    const figures = /\d[\d,]* (?:of \d[\d,]* )?(?:keys|parts)/.exec(words)?.[0];
    if (figures !== undefined) seen.add(figures);
    await page.waitForTimeout(100);
  }
  return seen;
}
