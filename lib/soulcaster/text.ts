/** A name or a value in a record: text, or base64 of bytes that are not UTF-8. */
export type Text = string | { readonly b: string };

/** Fields of a hash, in order. */
export type Fields = readonly (readonly [field: Text, value: Text])[];

/** The value of a field; null if the field is missing or not text. */
export function fieldOf(fields: Fields, name: string): string | null {
  const value = fields.find(([field]) => field === name)?.[1];
  return typeof value === 'string' ? value : null;
}
