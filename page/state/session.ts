/** Where the token is kept: until the tab is closed, for this origin, never in an address. */
const KEY = 'soulcaster-backup.token';
/** What a header can hold. Nothing else can be a token. */
const TOKEN = /^[\x21-\x7e]+$/;

export function isPossibleToken(text: string): boolean {
  return TOKEN.test(text);
}

/** The token of this tab; null when there is none, or when the browser keeps nothing. */
export function keptToken(): string | null {
  try {
    const token = sessionStorage.getItem(KEY);
    return token !== null && isPossibleToken(token) ? token : null;
  } catch {
    return null;
  }
}

export function keepToken(token: string): void {
  try {
    sessionStorage.setItem(KEY, token);
  } catch {
    // Then it lasts until the page is reloaded.
  }
}

export function forgetToken(): void {
  try {
    sessionStorage.removeItem(KEY);
  } catch {
    // There is nothing to forget.
  }
}
