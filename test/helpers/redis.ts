export * from "../../testing/redis";
