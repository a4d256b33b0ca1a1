import { useContext } from 'preact/hooks';
import { AppStateContext } from '../state/app-state.js';
import { formatInstant } from '../words/format.js';

/** Special parts of the server's texts: commands and names in backticks, and instants in ISO 8601. */
const PIECES = /`([^`]*)`|(\d{4}-\d\d-\d\dT\d\d:\d\d:[\d.]+Z)/;

/** A text of the server, with its instants in the chosen time zone. */
export function Words({ text }: { readonly text: string }) {
  // The sign-in form has no app state.
  const zone = useContext(AppStateContext)?.zone;
  // The pieces repeat in threes: plain text, a command, an instant.
  return (
    <>
      {text.split(PIECES).map((piece: string | undefined, index) => {
        if (piece === undefined) return null;
        if (index % 3 === 1) return <code key={index}>{piece}</code>;
        if (index % 3 === 2) return <time dateTime={piece}>{formatInstant(piece, zone)}</time>;
        return piece;
      })}
    </>
  );
}
