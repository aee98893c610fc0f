import { existsSync, readFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { join } from "node:path";

/** One answer of the page's server, made once. */
export interface Asset {
  send(response: ServerResponse, headOnly: boolean): void;
}

// The page loads nothing from elsewhere, and its requests go to where it came from.
const POLICY = "default-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** The page's files by URL. */
export function loadAssets(enginePath: string, transports: readonly string[]): ReadonlyMap<string, Asset> {
  const page = read("page.html")
    .replace("{{path}}", escapeAttribute(enginePath))
    .replace("{{transports}}", escapeAttribute(transports.join(",")));
  return new Map([
    ["/", asset(200, "text/html; charset=utf-8", page)],
    ["/page.css", asset(200, "text/css; charset=utf-8", read("page.css"))],
    ["/page.js", asset(200, "text/javascript; charset=utf-8", read("page.js"))],
    ["/engine.io.js", asset(200, "text/javascript; charset=utf-8", clientBundle())],
  ]);
}

export function assetFor(
  assets: ReadonlyMap<string, Asset>,
  method: string | undefined,
  url: string | undefined,
): Asset {
  if (method !== "GET" && method !== "HEAD") return METHOD_NOT_ALLOWED;
  return assets.get((url ?? "").split("?")[0] ?? "") ?? NOT_FOUND;
}

const NOT_FOUND = asset(404, "text/plain; charset=utf-8", "Not found\n");
const METHOD_NOT_ALLOWED = asset(405, "text/plain; charset=utf-8", "Method not allowed\n");

/** The client as its package ships it for browsers. The build puts it beside the page; a source tree has the package itself. */
function clientBundle(): string {
  const built = join(__dirname, "page", "engine.io.js");
  return readFileSync(existsSync(built) ? built : require.resolve("engine.io-client/dist/engine.io.min.js"), "utf8");
}

function asset(status: number, type: string, text: string): Asset {
  const body = Buffer.from(text);
  const headers = {
    "Content-Type": type,
    "Content-Length": body.length,
    "Cache-Control": "no-cache",
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
  };
  return {
    send: (response, headOnly) => {
      response.writeHead(status, headers);
      response.end(headOnly ? undefined : body);
    },
  };
}

function read(name: string): string {
  return readFileSync(join(__dirname, "page", name), "utf8");
}

function escapeAttribute(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;");
}
