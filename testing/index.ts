/** Real processes that fail under real clients: what an application needs to see that its sessions outlive its nodes. */
export { Kit, type KitOptions } from "./kit";
export { type KitNode } from "./kit-node";
export { type RedisServer } from "./redis";
export { type NatsProcess } from "./nats";
export { startNginx, type Nginx, type NginxCounts, type NginxOptions } from "./nginx";
export { TcpProxy } from "./tcp-proxy";
export {
  startLoad,
  runLoad,
  assertFlawless,
  type Load,
  type LoadOptions,
  type Payload,
  type Pushes,
  type Verdict,
} from "./checked-load";
