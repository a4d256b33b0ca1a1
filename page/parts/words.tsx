import { useContext } from 'preact/hooks';
import { DeskContext } from '../state/desk.js';
import { instant } from '../words/format.js';

/** What stands in a text of the server beside words: commands and names in backticks, and instants in ISO 8601. */
const PIECES = /`([^`]*)`|(\d{4}-\d\d-\d\dT\d\d:\d\d:[\d.]+Z)/;

/** A text of the server: instants are shown in the zone that was chosen. */
export function Words({ text }: { readonly text: string }) {
  // At the sign-in there is no desk yet.
  const zone = useContext(DeskContext)?.zone;
  // Of three pieces one is plain, one a command, and one an instant.
  return (
    <>
      {text.split(PIECES).map((piece: string | undefined, index) => {
        if (piece === undefined) return null;
        if (index % 3 === 1) return <code key={index}>{piece}</code>;
        if (index % 3 === 2) return <time dateTime={piece}>{instant(piece, zone)}</time>;
        return piece;
      })}
    </>
  );
}
