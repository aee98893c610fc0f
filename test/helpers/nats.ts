export * from "../../testing/nats";
