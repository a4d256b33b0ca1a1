import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { NEW_TOKEN, OLD_TOKEN, openAccounts, type Accounts } from './accounts-fixture.js';
import { onTerminal } from './terminal.js';

const BACKEND = 'soulcaster-backend';
const CTRL_C = '\u0003';

let accounts: Accounts;
beforeEach(async () => {
  accounts = await openAccounts();
});
afterEach(() => accounts.stop());

/** Types the answers, each of which is asked for. */
async function typing(args: readonly string[], answers: readonly [RegExp, string][]): Promise<[number, string]> {
  const { answered, code, screen } = await onTerminal(args, accounts.env, answers);
  expect(answered).toBe(answers.length);
  return [code, screen];
}

const token = (): unknown => [
  accounts.vercel.valueOf(BACKEND, 'GITHUB_TOKEN'),
  accounts.vercel.served(BACKEND)['GITHUB_TOKEN'],
];
const VALUE = /not shown: $/;
const CONSENT = /type yes: $/;
const LOSS = /type no way back: $/;

describe('github rotate on a terminal', () => {
  it('reads the value without showing it, shows the plan, asks, and rotates', async () => {
    const [code, screen] = await typing(
      ['github', 'rotate'],
      [
        [VALUE, `${NEW_TOKEN}\r`],
        [CONSENT, 'yes\r'],
      ],
    );
    expect([code, token()]).toEqual([0, [NEW_TOKEN, NEW_TOKEN]]);
    expect(screen.indexOf('gets the new value')).toBeLessThan(screen.indexOf('type yes'));
    for (const secret of [NEW_TOKEN, OLD_TOKEN]) expect(screen).not.toContain(secret);
  });

  it('changes nothing on another answer', async () => {
    const [code, screen] = await typing(
      ['github', 'rotate'],
      [
        [VALUE, `${NEW_TOKEN}\r`],
        [CONSENT, 'no\r'],
      ],
    );
    expect([code, token()]).toEqual([2, [OLD_TOKEN, OLD_TOKEN]]);
    expect(screen).toContain('Nothing was changed');
  });

  it('is cancelled by Ctrl-C while the value is typed', async () => {
    const [code, screen] = await typing(['github', 'rotate'], [[VALUE, CTRL_C]]);
    expect([code, token()]).toEqual([130, [OLD_TOKEN, OLD_TOKEN]]);
    expect(screen).toContain('interrupted');
  });

  it.each([
    ['yes', 2, OLD_TOKEN],
    ['no way back', 0, NEW_TOKEN],
  ])('where there is no way back, does it for other words than "yes" alone (%s)', async (words, expected, value) => {
    await accounts.stop();
    accounts = await openAccounts({ [BACKEND]: { GITHUB_TOKEN: { value: OLD_TOKEN, type: 'sensitive' } } });
    const [code] = await typing(
      ['github', 'rotate'],
      [
        [VALUE, `${NEW_TOKEN}\r`],
        [LOSS, `${words}\r`],
      ],
    );
    expect([code, token()]).toEqual([expected, [value, value]]);
  });
});
