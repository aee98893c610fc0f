// The ES module is a view of the CommonJS build: one copy of every class, however it is loaded.
import engine from "./index.js";

export default engine;
export const {
  Server,
  Socket,
  Transport,
  TransportError,
  ClusterFace,
  OptionError,
  attach,
  listen,
  startHub,
  operationsHandler,
  transports,
  parser,
  parser3,
  parser4,
  protocol,
  v3,
} = engine;
export type Server = engine.Server;
export type BaseServer = engine.BaseServer;
export type ServerClass = engine.ServerClass;
export type Socket = engine.Socket;
export type Transport = engine.Transport;
export type TransportError = engine.TransportError;
export type ClusterFace = engine.ClusterFace;
export type OptionError = engine.OptionError;
export type ServerOptions = engine.ServerOptions;
export type EngineOptions = engine.EngineOptions;
export type AttachOptions = engine.AttachOptions;
export type AllowRequest = engine.AllowRequest;
export type ClusterOptions = engine.ClusterOptions;
export type ClusterConnection = engine.ClusterConnection;
export type ClusterTuning = engine.ClusterTuning;
export type ClusterStats = engine.ClusterStats;
export type ClusterHealth = engine.ClusterHealth;
export type OperationsHandler = engine.OperationsHandler;
export type OperationsOptions = engine.OperationsOptions;
export type Readiness = engine.Readiness;
export type Hub = engine.Hub;
export type HubOptions = engine.HubOptions;
export type SendCallback = engine.SendCallback;
export type SendOptions = engine.SendOptions;
export type ErrorCallback = engine.ErrorCallback;
export type RebuiltRequest = engine.RebuiltRequest;
export type RawData = engine.RawData;
export type Packet = engine.Packet;
export type PacketType = engine.PacketType;
export type PacketOptions = engine.PacketOptions;
export type ConnectionError = engine.ConnectionError;
