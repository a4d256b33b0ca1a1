/** A name or a value as a record holds it: text, or base64 of bytes that are no UTF-8. */
export type Text = string | { readonly b: string };

/** Fields of a hash in their order. */
export type Fields = readonly (readonly [field: Text, value: Text])[];

/** The value of a field; null when the field is not there, or is no text. */
export function fieldOf(fields: Fields, name: string): string | null {
  const value = fields.find(([field]) => field === name)?.[1];
  return typeof value === 'string' ? value : null;
}
