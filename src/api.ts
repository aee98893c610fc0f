export { Server, attach, listen, startHub, transports } from "./compose";
export type { Hub, HubOptions, ServerClass, Transports } from "./compose";
export { Socket } from "./session/socket";
export { Transport, TransportError } from "./transports/transport";
export { ClusterFace } from "./cluster-face";
export { operationsHandler } from "./operations/handler";
export { OptionError } from "./option-error";

export type {
  ServerOptions,
  EngineOptions,
  AttachOptions,
  AllowRequest,
  AuthorizedSession,
  AuthorizeRequest,
} from "./options";
export type { ClusterOptions, ClusterConnection, ClusterTuning } from "./cluster-options";
export type { ClusterHealth, ClusterStats } from "./cluster-face";
export type { OperationsHandler, OperationsOptions, Readiness } from "./operations/handler";
export type { SendCallback } from "./session/socket";
export type { Engine as BaseServer } from "./server/engine";
export type { ErrorCallback } from "./errors";
export type { RebuiltRequest } from "./session/handshake";
export type { RawData, Packet, PacketType, PacketOptions, PacketOptions as SendOptions } from "./protocol/packet";
export type { ConnectionError } from "./server/responses";

export * as parser from "./protocol/parser";
export * as parser3 from "./protocol/parser3";
export * as parser4 from "./protocol/parser4";

/** Revision of the Engine.IO protocol that is spoken first. */
export const protocol = 4;
