/** What the page says: JSON in text messages. */
export type FromPage =
  /** Answered by "owner", and again whenever the session has a new one. */
  | { readonly demo: "hello" }
  | { readonly demo: "say"; readonly id: number; readonly text: string }
  /** The owner kills its process. */
  | { readonly demo: "kill" };

/** What the application says to the page. */
export type FromServer =
  | { readonly demo: "owner"; readonly worker: string; readonly recovered: boolean; readonly kill: boolean }
  | {
      readonly demo: "echo";
      readonly id: number;
      readonly text: string;
      readonly owner: string;
      readonly count: number;
    }
  | { readonly demo: "dying"; readonly worker: string }
  /** From the worker that holds the session's websocket, be it the owner or not. */
  | { readonly demo: "holder"; readonly worker: string }
  | { readonly demo: "refused"; readonly why: string };

/** The page puts it into its requests' query: other clients would not know what to do with messages that they did not ask for. */
export const PAGE_PARAMETER = "demo";

/** A message of the page; `undefined` for any other, which is echoed. */
export function readDemoMessage(data: unknown): FromPage | undefined {
  // Looked at before it is parsed: as an echo server this must cost nothing.
  if (typeof data !== "string" || !data.startsWith('{"demo":')) return undefined;
  try {
    const message = JSON.parse(data) as { readonly demo: unknown; readonly id?: unknown; readonly text?: unknown };
    if (message.demo === "hello" || message.demo === "kill") return { demo: message.demo };
    const { id, text } = message;
    if (message.demo === "say" && typeof id === "number" && typeof text === "string") return { demo: "say", id, text };
  } catch {
    // Not JSON after all.
  }
  return undefined;
}

export function isSay(message: FromPage): message is Extract<FromPage, { demo: "say" }> {
  return message.demo === "say";
}
