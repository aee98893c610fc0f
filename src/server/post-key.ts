/**
 * The name under which a POST is handled once: its `t` and a hash of its body, since `t` is random and not
 * unique: two requests of one client in one millisecond share one once in 46,656.
 */
export function postKey(t: string, body: string | Uint8Array): string {
  return `${t}.${hash(body).toString(36)}`;
}

/** Up to here every unit of a body is hashed; of a longer one about as many, evenly spread, and its length. */
const HASHED_UNITS = 4096;

/** FNV-1a, 32 bits. Not against malice: a client that forges collisions only repeats or loses messages of its own. */
function hash(body: string | Uint8Array): number {
  const { length } = body;
  const stride = Math.max(1, Math.floor(length / HASHED_UNITS));
  let value = 0x811c9dc5 ^ length;
  for (let i = 0; i < length; i += stride) {
    const unit = typeof body === "string" ? body.charCodeAt(i) : (body[i] ?? 0);
    value = Math.imul(value ^ unit, 0x01000193);
  }
  return value >>> 0;
}
