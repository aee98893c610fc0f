export { MemoryStore, type MemoryStoreOptions } from "./memory-store";
export { Records, type RecordsOptions } from "./records";
