import type { ServerResponse } from "node:http";
import { ErrorCode, type ErrorCallback, type Refusal } from "../errors";
import type { AuthorizedSession, AuthorizeRequest } from "../options";
import type { Revision } from "../protocol/names";
import type { Load } from "../telemetry/load";
import type { EngineRequest } from "../transports/request";
import { UNREACHABLE, type Admission, type Overload } from "./admission";
import { refusalOf } from "./compat3";
import type { Refuse, SessionHost, WebSocketOffer } from "./host";
import { sendOverload } from "./responses";

/** What a request came on: one that breaks while it waits is counted no more. */
export interface Breakable {
  readonly destroyed?: boolean;
  on(event: "close", listener: () => void): unknown;
  off?(event: "close", listener: () => void): unknown;
}

/** What the authorization needs of its engine. */
interface AuthorizingEngine {
  readonly opts: { readonly authorizeRequest: AuthorizeRequest | undefined };
  readonly admission: Admission;
  readonly load: Load;
}

/** What may become of a request. */
interface Outcome {
  readonly refuse: Refuse;
  readonly unavailable: (why: Overload) => void;
  readonly go: () => void;
}

type Check = (request: EngineRequest, upgrade: boolean, done: ErrorCallback) => void;
type Verdict = "allowed" | "unknown" | "away" | Refusal;

/** Asks the application about each request of a session that was opened before: see the option `authorizeRequest`. */
export class Authorization {
  readonly #host: SessionHost;
  readonly #engine: AuthorizingEngine;
  readonly #check: Check;

  constructor(host: SessionHost, engine: AuthorizingEngine, check: Check) {
    this.#host = host;
    this.#engine = engine;
    this.#check = check;
  }

  /** A poll or a POST. */
  request(request: EngineRequest, response: ServerResponse, refuse: Refuse): void {
    this.#ask(request, false, response, {
      refuse: (why) => {
        // What is left of the body is not waited for.
        if (!request.complete) response.shouldKeepAlive = false;
        refuse(why);
      },
      unavailable: (why) => {
        request.res = null;
        sendOverload(response, why);
      },
      go: () => {
        this.#host.request(request, refuse);
      },
    });
  }

  /** A request for a websocket. */
  websocket(offer: WebSocketOffer, protocol: Revision, connection: Breakable): void {
    this.#ask(offer.request, true, connection, {
      refuse: (why) => {
        offer.refuse(why);
      },
      unavailable: (why) => {
        offer.unavailable(why);
      },
      go: () => {
        this.#host.websocket(offer, protocol);
      },
    });
  }

  /** One of the three comes of it: within the call, where session and application have their answers at hand. */
  #ask(request: EngineRequest, upgrade: boolean, connection: Breakable, outcome: Outcome): void {
    const { admission, load } = this.#engine;
    // One that waits for the application takes a place as any other. Its body is not read meanwhile.
    const overload = admission.takeRequest();
    if (overload !== undefined) {
      outcome.unavailable(overload);
      return;
    }
    const verdict = this.#verdict(request);
    if (!(verdict instanceof Promise)) {
      load.requests--;
      this.#tell(verdict, request, outcome);
      return;
    }
    let waits = true;
    const over = (): void => {
      if (waits) load.requests--;
      waits = false;
    };
    connection.on("close", over);
    void verdict.then((decided) => {
      connection.off?.("close", over);
      over();
      const { refuse, go } = outcome;
      const checked = (): void => {
        // The session may have changed meanwhile: its transport, or that it is there at all.
        this.#check(request, upgrade, (code, context) => {
          const changed = refusalOf(code, context);
          if (changed === undefined) go();
          else refuse(changed);
        });
      };
      if (connection.destroyed === true) request.res = null;
      else this.#tell(decided, request, { ...outcome, go: checked });
    });
  }

  #tell(verdict: Verdict, request: EngineRequest, { refuse, unavailable, go }: Outcome): void {
    // Nobody is asked any more where it is broken off.
    if (verdict === "allowed" || (verdict === "away" && this.#host.breaksOff)) go();
    else if (verdict === "away") unavailable(UNREACHABLE);
    else if (verdict === "unknown") refuse({ code: ErrorCode.UNKNOWN_SID, context: { sid: request._query["sid"] } });
    else {
      this.#engine.load.unauthorized++;
      refuse(verdict);
    }
  }

  /** Never throws, and never rejects. */
  #verdict(request: EngineRequest): Verdict | Promise<Verdict> {
    const { sid = "" } = request._query;
    const { authorizeRequest: authorize } = this.#engine.opts;
    if (authorize === undefined) return "allowed";
    try {
      const session = this.#host.identity(sid);
      if (!(session instanceof Promise)) return asked(authorize, request, sid, session);
      return session
        .then((known) => asked(authorize, request, sid, known))
        .catch((error: unknown) => failed(sid, error));
    } catch (error) {
      return failed(sid, error);
    }
  }
}

function asked(
  authorize: AuthorizeRequest,
  request: EngineRequest,
  sid: string,
  session: AuthorizedSession | "unknown" | "away",
): Verdict | Promise<Verdict> {
  if (typeof session === "string") return session;
  const answer: unknown = authorize(request, session);
  if (!isThenable(answer)) return verdictOf(sid, answer);
  return Promise.resolve(answer).then(
    (decided) => verdictOf(sid, decided),
    (error: unknown) => failed(sid, error),
  );
}

/** Nothing but `true` lets a request in: one who forgets to answer has let in nobody. */
function verdictOf(sid: string, answer: unknown): Verdict {
  return answer === true ? "allowed" : refusal({ name: "NOT_AUTHORIZED", sid });
}

function failed(sid: string, error: unknown): Refusal {
  return refusal({ name: "AUTHORIZATION_FAILURE", sid, error });
}

function refusal(context: Refusal["context"]): Refusal {
  return { code: ErrorCode.FORBIDDEN, context, status: 403 };
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}
