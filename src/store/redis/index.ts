export type { StoreStats } from "./caller";
export type { RedisSource } from "./connection";
export { RedisStore, type RedisStoreOptions } from "./redis-store";
