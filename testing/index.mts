// The ES module is a view of the CommonJS build: one copy of every class, however it is loaded.
import testing from "./index.js";

export const { Kit, startNginx, TcpProxy, startLoad, runLoad, assertFlawless } = testing;
export type Kit = testing.Kit;
export type TcpProxy = testing.TcpProxy;
export type {
  KitNode,
  KitOptions,
  Load,
  LoadOptions,
  NatsProcess,
  Nginx,
  NginxCounts,
  NginxOptions,
  Payload,
  Pushes,
  RedisServer,
  Verdict,
} from "./index.js";
