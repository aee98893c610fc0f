import type { ServerResponse } from "node:http";
import { createGzip, deflate, gzip, type ZlibOptions } from "node:zlib";
import { answerOk, payloadType, type EngineRequest, type HeadersHook } from "./request";

/** How the answers of polls are compressed: options of zlib, and from which size on, in bytes. */
export interface Compression extends ZlibOptions {
  readonly threshold: number;
}

export type ContentEncoding = "gzip" | "deflate";

/** Throws what zlib has against the options: not when the first answer is due. */
export function checkCompression(options: Compression): void {
  createGzip(options).close();
}

/** How the answer is to be compressed; undefined where it is too small, or the client takes none of it. */
export function chooseEncoding(
  request: EngineRequest,
  body: string | Buffer,
  { threshold }: Compression,
): ContentEncoding | undefined {
  const accepted = request.headers["accept-encoding"];
  if (typeof accepted !== "string" || !isAtLeast(body, threshold)) return undefined;
  return preferredEncoding(accepted);
}

/** Without counting bytes where the number of characters tells already: one is 1 to 3 of them. */
function isAtLeast(body: string | Buffer, size: number): boolean {
  if (body.length >= size) return true;
  if (typeof body !== "string" || body.length * 3 < size) return false;
  return Buffer.byteLength(body) >= size;
}

interface Preference {
  readonly quality: number;
  readonly named: boolean;
  readonly position: number;
}

/** The better of gzip and deflate by an Accept-Encoding header; undefined where it wants neither. */
export function preferredEncoding(accepted: string): ContentEncoding | undefined {
  const gzipped = preferenceFor("gzip", accepted);
  const deflated = preferenceFor("deflate", accepted);
  if (gzipped.quality === 0) return deflated.quality === 0 ? undefined : "deflate";
  return isBetter(deflated, gzipped) ? "deflate" : "gzip";
}

/** Of equal quality the one that is named wins over the one that `*` stands for, then the one that is named first. */
function isBetter(one: Preference, other: Preference): boolean {
  if (one.quality !== other.quality) return one.quality > other.quality;
  if (one.named !== other.named) return one.named;
  return one.position < other.position;
}

function preferenceFor(encoding: ContentEncoding, accepted: string): Preference {
  let found: Preference = { quality: 0, named: false, position: 0 };
  const entries = accepted.split(",");
  for (let position = 0; position < entries.length; position++) {
    const [name = "", ...parameters] = (entries[position] ?? "").split(";");
    const named = name.trim().toLowerCase() === encoding;
    if (!named && (found.named || name.trim() !== "*")) continue;
    found = { quality: qualityOf(parameters), named, position };
    if (named) return found;
  }
  return found;
}

function qualityOf(parameters: readonly string[]): number {
  for (const parameter of parameters) {
    const [name = "", value = ""] = parameter.split("=");
    if (name.trim().toLowerCase() !== "q") continue;
    const quality = Number.parseFloat(value);
    return quality > 0 ? quality : 0;
  }
  return 1;
}

/** Compresses in the background; `done` is given nothing where that failed. */
export function compress(
  body: string | Buffer,
  encoding: ContentEncoding,
  options: Compression,
  done: (compressed: Buffer | undefined) => void,
): void {
  const run = encoding === "gzip" ? gzip : deflate;
  run(body, options, (error, compressed) => {
    done(error === null ? compressed : undefined);
  });
}

/**
 * Answers a poll, compressed where `mayCompress` and the client allow it: then some time later. Head and body leave in
 * one write.
 */
export function answerPayload(
  request: EngineRequest,
  response: ServerResponse,
  body: string | Buffer,
  mayCompress: boolean,
  hook: HeadersHook,
  options: Compression | false,
): void {
  const encoding = mayCompress && options !== false ? chooseEncoding(request, body, options) : undefined;
  if (encoding === undefined || options === false) {
    answerOk(request, response, payloadType(body), body, hook);
    return;
  }
  compress(body, encoding, options, (compressed) => {
    // The client may have gone meanwhile.
    if (!response.destroyed) answerCompressed(request, response, body, compressed, hook, encoding);
  });
}

/** Answers with what compression has made of the body; where it failed, with the body. */
export function answerCompressed(
  request: EngineRequest,
  response: ServerResponse,
  body: string | Buffer,
  compressed: Buffer | undefined,
  hook: HeadersHook,
  encoding: ContentEncoding,
): void {
  if (compressed === undefined) answerOk(request, response, payloadType(body), body, hook);
  else answerOk(request, response, payloadType(body), compressed, hook, encoding);
}
