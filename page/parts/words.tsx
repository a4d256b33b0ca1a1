/** A text of the server, in which commands and names stand in backticks. */
export function Words({ text }: { readonly text: string }) {
  return <>{text.split('`').map((piece, index) => (index % 2 === 1 ? <code key={index}>{piece}</code> : piece))}</>;
}
