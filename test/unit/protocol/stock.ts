import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type * as parser3 from "../../../src/protocol/parser3";

/** The stock parsers of protocol 3 come without types. */
const load = createRequire(__filename);

/** What protocol 3's stock parsers have. */
export type StockParser3 = Omit<typeof parser3, "packetslist">;

/** engine.io-parser 2, which engine.io 3 uses. */
export const stock3 = load("engine.io-parser-2") as StockParser3;

/** The copy within engine.io 6, which knows every view of an ArrayBuffer as binary. */
export const stock3of6 = load(join(dirname(load.resolve("engine.io")), "parser-v3/index.js")) as StockParser3;

/** What an encoder called back with, which all of them do inside the call. */
export function given<T>(encode: (callback: (encoded: T) => void) => unknown): T {
  const calls: T[] = [];
  encode((encoded) => calls.push(encoded));
  if (calls.length !== 1) throw new Error(`called back ${calls.length} times`);
  return calls[0] as T;
}
