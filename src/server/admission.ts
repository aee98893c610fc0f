import type { ResolvedLimits, TrustProxy } from "../limit-options";
import type { Limited, Load } from "../telemetry/load";
import { ClientAddress, countedAddress, type AddressedRequest } from "./client-address";

/** An answer of nothing but that a request cannot be taken now. */
export interface Overload {
  readonly status: 429 | 503;
  readonly statusText: string;
  readonly body: string;
  /** Whether the connection is closed: what is left of the request's body is not waited for. */
  readonly closes: boolean;
}

/** Nobody could answer in time. The stock client gives up on any error; others may come again. */
export const UNREACHABLE: Overload = {
  status: 503,
  statusText: "Service Unavailable",
  body: "the session's node cannot be reached at the moment",
  closes: false,
};

const OVERLOADED: Overload = {
  status: 503,
  statusText: "Service Unavailable",
  body: "this node has as much as it can take",
  closes: true,
};

const TOO_MANY: Overload = {
  status: 429,
  statusText: "Too Many Requests",
  body: "there are too many sessions of this address",
  closes: true,
};

/** A session's place among those that may be here. Left once. */
export class Place {
  readonly #admission: Admission;
  readonly #address: string | undefined;
  #left = false;

  constructor(admission: Admission, address: string | undefined) {
    this.#admission = admission;
    this.#address = address;
  }

  readonly leave = (): void => {
    if (this.#left) return;
    this.#left = true;
    this.#admission.left(this.#address);
  };
}

/** Keeps to the limits of what may be here at once. */
export class Admission {
  readonly load: Load;
  readonly #limits: ResolvedLimits;
  readonly #clients: ClientAddress;
  readonly #sessions = new Map<string, number>();

  constructor(
    load: Load,
    { limits, trustProxy }: { readonly limits: ResolvedLimits; readonly trustProxy: TrustProxy },
  ) {
    this.load = load;
    this.#limits = limits;
    this.#clients = new ClientAddress(trustProxy);
  }

  /** A handshake: the place of its session, or why there is none. */
  enter(request: AddressedRequest): Place | Overload {
    if (this.load.sessions >= this.#limits.sessions) return this.#refuse("sessions", OVERLOADED);
    const address = this.#counted(request);
    if (address !== undefined && (this.#sessions.get(address) ?? 0) >= this.#limits.sessionsPerAddress)
      return this.#refuse("sessionsPerAddress", TOO_MANY);
    return this.#placed(address);
  }

  /** The place of a session that is taken over: it is not refused, its client has been let in before. */
  adopt(request: AddressedRequest): Place {
    return this.#placed(this.#counted(request));
  }

  /** Takes a request for one of those under way, which its caller takes off again; or says why not. */
  takeRequest(): Overload | undefined {
    if (this.load.requests >= this.#limits.requests) return this.#refuse("requests", OVERLOADED);
    this.load.requests++;
    return undefined;
  }

  /** @internal */
  left(address: string | undefined): void {
    this.load.sessions--;
    if (address === undefined) return;
    const left = (this.#sessions.get(address) ?? 1) - 1;
    if (left > 0) this.#sessions.set(address, left);
    else this.#sessions.delete(address);
  }

  #placed(address: string | undefined): Place {
    this.load.sessions++;
    if (address !== undefined) this.#sessions.set(address, (this.#sessions.get(address) ?? 0) + 1);
    return new Place(this, address);
  }

  /** Undefined where addresses are not counted, or this one is not known. */
  #counted(request: AddressedRequest): string | undefined {
    if (this.#limits.sessionsPerAddress === Infinity) return undefined;
    const address = this.#clients.of(request);
    return address === undefined ? undefined : countedAddress(address);
  }

  #refuse(limit: Limited, overload: Overload): Overload {
    this.load.refused[limit]++;
    return overload;
  }
}
