/** The `t` of a POST's key, which ends with a dot and a hash of its body. */
export function tOf(key: string): string {
  const dot = key.lastIndexOf(".");
  return dot < 0 ? key : key.slice(0, dot);
}
