/** Session storage key of the token: it is kept until the tab is closed, for this origin, and never in an address. */
const KEY = 'soulcaster-backup.token';
/** Characters that a header can hold; a token with others is invalid. */
const TOKEN = /^[\x21-\x7e]+$/;

export function isPossibleToken(text: string): boolean {
  return TOKEN.test(text);
}

/** The token of this tab; null when there is none, or when the browser has no storage. */
export function loadToken(): string | null {
  try {
    const token = sessionStorage.getItem(KEY);
    return token !== null && isPossibleToken(token) ? token : null;
  } catch {
    return null;
  }
}

export function saveToken(token: string): void {
  try {
    sessionStorage.setItem(KEY, token);
  } catch {
    // Without storage the token lasts until the page is reloaded.
  }
}

export function removeToken(): void {
  try {
    sessionStorage.removeItem(KEY);
  } catch {
    // Without storage there is no token to remove.
  }
}
