import type { AuthorizedSession } from "../options";
import { identityOf } from "../session/handshake";
import type { OwnedSession } from "../session/owned-session";
import type { SessionStore } from "../store/port";
import type { Clock } from "../time/clock";
import { pauseUnref } from "../time/pause";

/** Who opened a session; or that there is no such session, or that nobody could say. */
export type Identity = AuthorizedSession | "unknown" | "away";

export interface IdentitiesOptions {
  readonly clock: Clock;
  readonly store: Pick<SessionStore, "handshake">;
  /** Sessions that this node owns. */
  readonly sessions: ReadonlyMap<string, OwnedSession>;
  /** How many are remembered. */
  readonly capacity: number;
  /** For so many milliseconds at most: an application that gives an id twice is not to have the first one's client let in. */
  readonly keptFor: number;
  /** How long a store is asked that does not answer, in milliseconds. */
  readonly patience: number;
  /** Whether a record that is not there may be one that its owner is about to write again. */
  readonly recovering: () => boolean;
}

/** How long to wait before the store is asked again, in milliseconds. */
const PAUSE = 100;

/**
 * The handshakes of sessions, for requests that must belong to the same user. Of a session that is owned here it is at
 * hand; of another one the store is asked once, for all requests that come while it is asked and after.
 */
export class Identities {
  readonly #options: IdentitiesOptions;
  readonly #own = new WeakMap<OwnedSession, AuthorizedSession>();
  readonly #asking = new Map<string, Promise<Identity>>();
  /** Two generations, as in `OwnerCache`; what is used is not carried over, so that it ends. */
  #young = new Map<string, AuthorizedSession>();
  #old = new Map<string, AuthorizedSession>();
  #since: number;

  constructor(options: IdentitiesOptions) {
    this.#options = options;
    this.#since = options.clock.now();
  }

  of(sid: string): Identity | Promise<Identity> {
    const session = this.#options.sessions.get(sid);
    if (session !== undefined) return this.#ofOwn(session);
    this.#age();
    const known = this.#young.get(sid) ?? this.#old.get(sid);
    if (known !== undefined) return known;
    let asking = this.#asking.get(sid);
    if (asking === undefined) {
      asking = this.#ask(sid).finally(() => this.#asking.delete(sid));
      this.#asking.set(sid, asking);
    }
    return asking;
  }

  #ofOwn(session: OwnedSession): AuthorizedSession {
    let identity = this.#own.get(session);
    if (identity === undefined) {
      identity = identityOf(session.sid, session.handshake);
      this.#own.set(session, identity);
    }
    return identity;
  }

  async #ask(sid: string): Promise<Identity> {
    const { clock, store, recovering, patience } = this.#options;
    const end = clock.now() + patience;
    for (;;) {
      const result = await store.handshake(sid);
      if (result.kind === "found") return this.#remember(identityOf(sid, result.handshake));
      if (result.kind === "unknown" && !recovering()) return "unknown";
      if (clock.now() + PAUSE > end) return "away";
      await pauseUnref(clock, PAUSE);
    }
  }

  #remember(identity: AuthorizedSession): AuthorizedSession {
    this.#young.set(identity.id, identity);
    if (this.#young.size * 2 >= this.#options.capacity) this.#turn();
    return identity;
  }

  #age(): void {
    if (this.#options.clock.now() - this.#since < this.#options.keptFor / 2) return;
    // Once for each half that has passed: nothing of before is left after two.
    if (this.#options.clock.now() - this.#since >= this.#options.keptFor) this.#turn();
    this.#turn();
  }

  #turn(): void {
    this.#old = this.#young;
    this.#young = new Map();
    this.#since = this.#options.clock.now();
  }
}
