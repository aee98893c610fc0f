import type { IncomingMessage } from "node:http";
import type { Revision } from "../protocol/names";
import type { RawData } from "../protocol/packet";
import type { Transport } from "../transports/transport";
import type { Heartbeat } from "./heartbeat";

/** What a socket needs of the engine that it belongs to. */
export interface SocketHost {
  readonly opts: {
    readonly pingInterval: number;
    readonly pingTimeout: number;
    readonly maxHttpBufferSize: number;
    readonly initialPacket: RawData | undefined;
    readonly transports: readonly string[];
    /** Whether it behaves as engine.io 3 where the versions differ. */
    readonly compat?: 3 | undefined;
  };
  readonly heartbeat: Heartbeat;
  upgrades(transport: string): string[];
  /** Tries to take session `id` over to `transport`, which is closed where that cannot be. */
  tryUpgrade(id: string, transport: Transport): void;
  emit(event: string, ...args: unknown[]): boolean;
}

/** Called once when the packet is on its way, with the transport that took it. */
export type SendCallback = (transport: Transport) => void;

export interface SocketOptions {
  readonly id: string;
  readonly server: SocketHost;
  readonly transport: Transport;
  readonly request: IncomingMessage;
  readonly remoteAddress: string;
  readonly protocol: Revision;
  /** Whether the session was adopted from another node. */
  readonly recovered?: boolean;
  readonly data?: unknown;
  /** What the write buffer may hold; without it, whatever memory there is. */
  readonly bufferLimit?: BufferLimit;
}

/** Packets, and units of their data, that may wait for a transport. Over it the session is closed: its client does not keep up. */
export interface BufferLimit {
  readonly packets: number;
  readonly size: number;
}
