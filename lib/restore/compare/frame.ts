/** Prefixes the pieces with their number and lengths, so that different lists of pieces never give the same bytes. */
export function frame(pieces: readonly Buffer[]): Buffer {
  const framed = Buffer.allocUnsafe(pieces.reduce((sum, piece) => sum + 4 + piece.length, 4));
  let at = framed.writeUInt32LE(pieces.length);
  for (const piece of pieces) {
    at = framed.writeUInt32LE(piece.length, at);
    at += piece.copy(framed, at);
  }
  return framed;
}
