import { request as httpRequest, type IncomingHttpHeaders } from "node:http";
import { unzipSync } from "node:zlib";

export interface RawReply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Names and values in turn, as they came. */
  readonly rawHeaders: readonly string[];
  /** As it came: compressed where it is. */
  readonly bytes: Buffer;
  /** As it is meant. */
  readonly text: string;
}

export interface RawRequest {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string | Buffer;
}

/** One HTTP request on a connection of its own. One that is answered 101 is taken for answered, and its connection closed. */
export function raw(url: string, { method = "GET", headers = {}, body }: RawRequest = {}): Promise<RawReply> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(url, { method, headers, agent: false }, (response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("error", reject);
      response.on("end", () => {
        const bytes = Buffer.concat(chunks);
        const plain = response.headers["content-encoding"] === undefined ? bytes : unzipSync(bytes);
        const { statusCode = 0, headers, rawHeaders } = response;
        resolve({ status: statusCode, headers, rawHeaders, bytes, text: plain.toString("utf8") });
      });
    });
    request.on("upgrade", ({ statusCode = 0, headers, rawHeaders }, socket) => {
      socket.destroy();
      resolve({ status: statusCode, headers, rawHeaders, bytes: Buffer.alloc(0), text: "" });
    });
    request.on("error", reject);
    request.end(body);
  });
}

/** Headers of a request to change to the websocket protocol. */
export const UPGRADE: Readonly<Record<string, string>> = {
  connection: "Upgrade",
  upgrade: "websocket",
  "sec-websocket-version": "13",
  "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
};
