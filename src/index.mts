// The ES module is a view of the CommonJS build: one copy of every class, however it is loaded.
export {
  Server,
  Socket,
  Transport,
  TransportError,
  ClusterFace,
  OptionError,
  attach,
  listen,
  startHub,
  protocol,
} from "./index.js";
export type * from "./index.js";
