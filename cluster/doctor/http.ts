import { request as httpRequest, type IncomingHttpHeaders, type RequestOptions } from "node:http";
import { request as httpsRequest } from "node:https";
import { runtimeClock } from "../../src/time/runtime-clock";

/** How a request ended. Status 0: without an answer, and `error` says how. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly error?: string;
  /** From the beginning to the end of it, in milliseconds. */
  readonly ms: number;
}

export interface Ask {
  readonly method?: "GET" | "POST";
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  readonly withinMs?: number;
}

const WITHIN = 20_000;

/** One request on a connection of its own, so that a balancer of connections takes the next node too. */
export function ask(url: URL, { method = "GET", headers = {}, body, withinMs = WITHIN }: Ask = {}): Promise<Answer> {
  const began = runtimeClock.now();
  const length = body === undefined ? {} : { "content-length": String(Buffer.byteLength(body)) };
  const options: RequestOptions = { method, agent: false, headers: { ...headers, ...length } };
  return new Promise((resolve) => {
    const sent = (url.protocol === "https:" ? httpsRequest : httpRequest)(url, options);
    const timer = runtimeClock.after(withinMs, () => {
      sent.destroy(new Error(`no answer in ${String(withinMs)} ms`));
    });
    const end = (answer: Omit<Answer, "ms">): void => {
      timer.stop();
      resolve({ ...answer, ms: Math.round(runtimeClock.now() - began) });
    };
    const fail = (error: Error): void => {
      end({ status: 0, headers: {}, body: "", error: error.message });
    };
    sent.on("error", fail);
    sent.on("response", (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => (text += chunk));
      response.on("error", fail);
      response.on("end", () => {
        end({ status: response.statusCode ?? 0, headers: response.headers, body: text });
      });
    });
    sent.end(body);
  });
}

/** An answer in few words. */
export function shown({ status, error, body }: Answer): string {
  if (status === 0) return `without an answer (${error ?? "the connection broke"})`;
  const text = body
    .replace(/<[^>]*>/g, " ")
    .replace(/\s+/g, " ")
    .trim();
  return `${String(status)}${text === "" ? "" : ` ${JSON.stringify(text.slice(0, 60))}`}`;
}
