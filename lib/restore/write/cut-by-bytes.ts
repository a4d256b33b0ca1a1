/** Cuts a list into pieces of at most `limit` bytes; a larger item is a piece alone. */
export function* cutByBytes<T>(items: readonly T[], bytesOf: (item: T) => number, limit: number): Generator<T[]> {
  let piece: T[] = [];
  let bytes = 0;
  for (const item of items) {
    const own = bytesOf(item);
    if (piece.length > 0 && bytes + own > limit) {
      yield piece;
      [piece, bytes] = [[], 0];
    }
    piece.push(item);
    bytes += own;
  }
  if (piece.length > 0) yield piece;
}
