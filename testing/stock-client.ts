import { createRequire } from "node:module";
import type { Socket } from "engine.io-client";

type StockSocket = typeof Socket;

/**
 * The socket of the stock client. It is asked for when a load starts and not before: who only starts and kills nodes needs no
 * client, and `engine.io-client` is an optional peer of this package.
 */
export function stockSocket(): StockSocket {
  try {
    return (createRequire(__filename)("engine.io-client") as { Socket: StockSocket }).Socket;
  } catch (error) {
    if ((error as { code?: unknown }).code !== "MODULE_NOT_FOUND") throw error;
    throw new Error(
      "the clients of a load are those of the package engine.io-client, which is not installed: npm install --save-dev engine.io-client",
      { cause: error },
    );
  }
}
