export { Server, attach, listen, startHub } from "./compose";
export type { Hub, HubOptions } from "./compose";
export { Socket } from "./session/socket";
export { Transport, TransportError } from "./transports/transport";
export { ClusterFace } from "./cluster-face";
export { OptionError } from "./option-error";

export type { ServerOptions, EngineOptions, AttachOptions, AllowRequest } from "./options";
export type { ClusterOptions, ClusterConnection, ClusterTuning } from "./cluster-options";
export type { ClusterStats } from "./cluster-face";
export type { SendCallback } from "./session/socket";
export type { RebuiltRequest } from "./session/handshake";
export type { RawData, Packet, PacketType, PacketOptions } from "./protocol/packet";
export type { ConnectionError } from "./server/responses";

/** Revision of the Engine.IO protocol that is spoken first. */
export const protocol = 4;
