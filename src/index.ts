import { Server as HttpServer } from "node:http";
import * as api from "./api";
import { attach3, listen3, Server3 } from "./compose";
import type { ServerOptions } from "./options";

/**
 * The module is a function, as engine.io's was: `engine(httpServer, options)` attaches, `engine(options)` only makes a
 * server. What the package exports is on it.
 */
function make(first?: HttpServer | ServerOptions, options?: ServerOptions): api.Server {
  return first instanceof HttpServer ? api.attach(first, options) : new api.Server(first);
}

/** The same for programs that are written against engine.io 3. */
function make3(first?: HttpServer | ServerOptions, options?: ServerOptions): api.Server {
  return first instanceof HttpServer ? attach3(first, options) : new Server3(first);
}

/** The module as engine.io 3 was: its servers have `compat: 3`, its parser is of protocol 3. */
const v3 = Object.assign(make3, {
  ...api,
  Server: Server3,
  attach: attach3,
  listen: listen3,
  parser: api.parser3,
  /** What engine.io 3 said, though the protocol's revision was 3. */
  protocol: 1,
});

const engine = Object.assign(make, api, { v3 });

// Types only: it merges with the constant, so that `engine.Server` is a type as well as a class.
// eslint-disable-next-line @typescript-eslint/no-namespace
namespace engine {
  export type Server = api.Server;
  export type BaseServer = api.BaseServer;
  export type ServerClass = api.ServerClass;
  export type Socket = api.Socket;
  export type Transport = api.Transport;
  export type TransportError = api.TransportError;
  export type ClusterFace = api.ClusterFace;
  export type OptionError = api.OptionError;
  export type ServerOptions = api.ServerOptions;
  export type EngineOptions = api.EngineOptions;
  export type AttachOptions = api.AttachOptions;
  export type AllowRequest = api.AllowRequest;
  export type ClusterOptions = api.ClusterOptions;
  export type ClusterConnection = api.ClusterConnection;
  export type ClusterTuning = api.ClusterTuning;
  export type ClusterStats = api.ClusterStats;
  export type ClusterHealth = api.ClusterHealth;
  export type OperationsHandler = api.OperationsHandler;
  export type OperationsOptions = api.OperationsOptions;
  export type Readiness = api.Readiness;
  export type Hub = api.Hub;
  export type HubOptions = api.HubOptions;
  export type SendCallback = api.SendCallback;
  export type SendOptions = api.SendOptions;
  export type ErrorCallback = api.ErrorCallback;
  export type RebuiltRequest = api.RebuiltRequest;
  export type RawData = api.RawData;
  export type Packet = api.Packet;
  export type PacketType = api.PacketType;
  export type PacketOptions = api.PacketOptions;
  export type ConnectionError = api.ConnectionError;
}

export = engine;
