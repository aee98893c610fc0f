import { EventEmitter } from "node:events";
import type { Revision } from "../protocol/names";
import type { Transport } from "../transports/transport";
import type { Beating } from "./heartbeat";
import { HeartbeatTimer } from "./heartbeat-timer";
import type { Journal } from "./journal";
import type { SocketHost } from "./socket-parts";
import type { ReadyState } from "./states";
import { UpgradeTimer, type UpgradeTimers } from "./upgrade-timer";

/**
 * What engine.io's sockets have besides sending, receiving and closing, for programs that call it or replace it: the
 * change of transports, and the heartbeat. All of it is on the prototype: a socket that nobody asks for it pays nothing.
 */
export abstract class SocketFace extends EventEmitter implements Beating {
  abstract readonly id: string;
  abstract readonly server: SocketHost;
  abstract readonly protocol: Revision;
  abstract transport: Transport;
  abstract readyState: ReadyState;
  #cleanups: (() => void)[] | undefined;
  #upgrade: UpgradeTimers | undefined;

  /** @internal */
  abstract get journal(): Journal | undefined;
  abstract onPingDue(): void;
  abstract onPingTimeout(): void;
  /** @internal */
  abstract runCallbacks(): void;

  /** The same as `readyState`. */
  get _readyState(): ReadyState {
    return this.readyState;
  }

  set _readyState(state: ReadyState) {
    this.readyState = state;
  }

  // ---- transports ----

  /** Transports that the session may go over to. */
  getAvailableUpgrades(): string[] {
    const { transports } = this.server.opts;
    return this.server.upgrades(this.transport.name).filter((name) => transports.includes(name));
  }

  /** Tries to go over to `transport`: waits for the client's probe, and closes it where that is not to be. */
  _maybeUpgrade(transport: Transport): void {
    this.server.tryUpgrade(this.id, transport);
  }

  /** @internal A try to upgrade begins or, with nothing, is over. */
  useUpgrade(timers: UpgradeTimers | undefined): void {
    this.#upgrade = timers;
  }

  /** The client's time to complete an upgrade; null where none is tried. */
  get upgradeTimeoutTimer(): UpgradeTimer | null {
    return this.#upgrade === undefined ? null : new UpgradeTimer(this.#upgrade.timeout);
  }

  /** The time until the parked poll is released for an upgrade; null where the client has not probed. */
  get checkIntervalTimer(): UpgradeTimer | null {
    const release = this.#upgrade?.release;
    return release === undefined ? null : new UpgradeTimer(release);
  }

  /** The same, as engine.io 3 has it. */
  maybeUpgrade(transport: Transport): void {
    this._maybeUpgrade(transport);
  }

  /** Takes packets of `transport`, and sends by it from now on. In a cluster only where the session has a websocket here. */
  setTransport(transport: Transport): void {
    this.journal?.goOver(transport);
    transport.sid = this.id;
    this.transport = transport;
  }

  /** Leaves the transport: it is closed, and what it still says is not heard. */
  clearTransport(): void {
    const cleanups = this.#cleanups ?? [];
    this.#cleanups = undefined;
    for (const cleanUp of cleanups) cleanUp();
    this.journal?.leave();
  }

  /** Closes the transport, and with it the session; with `discard` what is on its way is given up. */
  closeTransport(discard = false): void {
    this.journal?.closeTransport(discard);
  }

  /** Functions that are called when the transport is left, once. */
  get cleanupFn(): (() => void)[] {
    return (this.#cleanups ??= []);
  }

  /** What the transport took is on its way: the callbacks of the oldest such packets are called. */
  onDrain(): void {
    this.runCallbacks();
  }

  // ---- the heartbeat ----

  /** The next ping is a whole interval away. */
  schedulePing(): void {
    this.server.heartbeat.rest(this);
  }

  /** The client has the whole time-out from now on to be heard; in protocol 3 the interval besides. */
  resetPingTimeout(): void {
    if (this.protocol === 3) this.server.heartbeat.listen(this);
    else this.server.heartbeat.await(this);
  }

  /** The same, as engine.io 3 has it: called where it is the client that pings. */
  setPingTimeout(): void {
    this.resetPingTimeout();
  }

  /** The wait for the client to be heard; null where it is not waited for. */
  get pingTimeoutTimer(): HeartbeatTimer | null {
    const { heartbeat } = this.server;
    if (!heartbeat.isAwaiting(this) && !heartbeat.isListening(this)) return null;
    return new HeartbeatTimer(heartbeat, this, () => {
      this.resetPingTimeout();
    });
  }

  /** The time until the next ping; null where none is due, because one is out or because the client pings. */
  get pingIntervalTimer(): HeartbeatTimer | null {
    const { heartbeat } = this.server;
    if (!heartbeat.isResting(this)) return null;
    return new HeartbeatTimer(heartbeat, this, () => {
      this.schedulePing();
    });
  }
}
