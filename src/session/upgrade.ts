import type { Packet } from "../protocol/packet";
import type { Clock, Timer } from "../time/clock";
import type { Transport } from "../transports/transport";
import { WebSocketTransport, type WebSocketLike } from "../transports/websocket";
import type { Socket } from "./socket";

/** What an upgrade needs of where the session's polls are. */
export interface UpgradeHost {
  /** Records that the probe is answered and calls `answer`, at once or when it is recorded; never where the session is lost. */
  recordProbe(answer: () => void): void;
  /** Answers a parked poll with a noop: the client waits for that before it goes over. */
  releasePoll(): void;
  /**
   * Makes `transport` the session's own and calls `done`, at once or when it is recorded. Where the session is lost
   * meanwhile `done` is never called.
   */
  takeTransport(transport: Transport, done: () => void): void;
  /** The try has failed, and the session goes on polling, or is over. `silent`: its gateway has said nothing for a while. */
  failed(silent: boolean): void;
}

/**
 * A parked poll is released so many milliseconds after the probe was answered, for the answer to be ahead of the noop: a client that
 * gets the noop first polls again, and waits for the next release.
 */
export const FIRST_RELEASE = 30;
/** And then at most once in so many milliseconds. */
export const RELEASE_INTERVAL = 100;
/** A gateway that asks for that is gone when it has not done so for so many milliseconds. */
const SILENT_FOR = 5 * RELEASE_INTERVAL;
/** A client whose probe was answered has gone over within so many milliseconds, or a node that leaves does not wait for it. */
export const GOES_OVER_WITHIN = 2000;

/**
 * One try to go over from polling to `transport`: the client probes, finishes its poll, then says `upgrade`. Until
 * then the session polls on, and whatever happens to the new transport is no more than a failed try.
 */
export class Upgrade {
  readonly #socket: Socket;
  readonly #transport: Transport;
  readonly #host: UpgradeHost;
  readonly #clock: Clock;
  readonly #timeout: Timer;
  #release: Timer | undefined;
  /** The client has said `upgrade`: what comes behind it waits for the record. */
  #early: Packet[] | undefined;
  /** A websocket of this process that is not read on until then. */
  #paused: WebSocketLike | undefined;
  #isProbed = false;
  /** When the gateway was heard of last. */
  #askedAt = 0;
  #over = false;

  constructor(socket: Socket, transport: Transport, host: UpgradeHost, clock: Clock, timeoutMs: number) {
    this.#socket = socket;
    this.#transport = transport;
    this.#host = host;
    this.#clock = clock;
    socket.upgrading = true;
    socket.useUpgrade(this);
    transport.on("packet", this.#onPacket);
    transport.once("close", this.#onEnd);
    transport.once("error", this.#onEnd);
    socket.once("close", this.#onSessionEnd);
    this.#timeout = clock.afterUnref(timeoutMs, this.#onTimeout);
  }

  /** The wait for the client to complete it. */
  get timeout(): Timer {
    return this.#timeout;
  }

  /** The wait to release the parked poll again. */
  get release(): Timer | undefined {
    return this.#release;
  }

  /**
   * Whether the client has given up polling for this websocket: the stock client (engine.io-client 6) stops when its probe is
   * answered, and does not begin again where the websocket closes before it could say `upgrade` (U7).
   */
  get needsTransport(): boolean {
    return this.#isProbed && !this.#over && !this.#transport.canMove;
  }

  /** The session goes to another node. A probe that was answered now would be of a websocket that is about to be closed. */
  depart(): void {
    if (!this.#isProbed && this.#early === undefined && !this.#over && !this.#transport.canMove) this.#onEnd();
  }

  readonly #onPacket = (packet: Packet): void => {
    if (this.#early !== undefined) this.#keep(packet, this.#early);
    else if (packet.type === "ping" && packet.data === "probe") this.#probed();
    else if (packet.type === "upgrade" && this.#socket.readyState !== "closed") this.#take();
    else this.#onEnd();
  };

  /** No longer than the store needs: but while that is away, the client could fill the memory. A gateway sees to that by itself. */
  #keep(packet: Packet, early: Packet[]): void {
    early.push(packet);
    if (this.#paused !== undefined || this.#over || !(this.#transport instanceof WebSocketTransport)) return;
    this.#paused = this.#transport.socket;
    // What its parser has already still comes.
    this.#paused.pause?.();
  }

  #probed(): void {
    this.#host.recordProbe(() => {
      if (this.#over || this.#early !== undefined) return;
      const again = this.#isProbed;
      this.#isProbed = true;
      this.#transport.send([{ type: "pong", data: "probe" }]);
      if (!again) this.#awaitRelease();
      this.#socket.emit("upgrading", this.#transport);
    });
  }

  #awaitRelease(): void {
    if (this.#transport.asksForRelease) {
      this.#askedAt = this.#clock.now();
      this.#transport.on("release", this.#onAsked);
    } else this.#release = this.#clock.afterUnref(FIRST_RELEASE, this.#onRelease);
  }

  readonly #onRelease = (): void => {
    this.#host.releasePoll();
    this.#release = this.#clock.afterUnref(RELEASE_INTERVAL, this.#onRelease);
  };

  /** U7: the gateway lives, and its client waits. */
  readonly #onAsked = (): void => {
    this.#askedAt = this.#clock.now();
    if (this.#early === undefined) this.#host.releasePoll();
  };

  readonly #onTimeout = (): void => {
    const asks = this.#isProbed && this.#transport.asksForRelease;
    this.#end(asks && this.#clock.now() - this.#askedAt > SILENT_FOR);
  };

  #take(): void {
    this.#early = [];
    this.#timeout.stop();
    this.#release?.stop();
    this.#host.takeTransport(this.#transport, () => {
      const early = this.#early ?? [];
      this.#leave();
      for (const packet of early) this.#transport.onPacket(packet);
    });
  }

  /** The try has failed, or the session has ended. */
  readonly #onEnd = (): void => {
    this.#end(false);
  };

  #end(silent: boolean): void {
    this.#leave();
    this.#host.failed(silent);
    this.#transport.close();
  }

  readonly #onSessionEnd = (reason: string): void => {
    this.#leave();
    // A session that lives on at another node: the try may yet succeed there.
    if (reason === "taken over") this.#transport.abandon();
    else this.#transport.close();
  };

  #leave(): void {
    this.#over = true;
    this.#socket.upgrading = false;
    this.#socket.useUpgrade(undefined);
    this.#timeout.stop();
    this.#release?.stop();
    // In any case: one that is paused would never see its close.
    this.#paused?.resume?.();
    this.#paused = undefined;
    this.#transport.removeListener("release", this.#onAsked);
    this.#transport.removeListener("packet", this.#onPacket);
    this.#transport.removeListener("close", this.#onEnd);
    this.#transport.removeListener("error", this.#onEnd);
    this.#socket.removeListener("close", this.#onSessionEnd);
  }
}
