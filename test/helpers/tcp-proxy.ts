export * from "../../testing/tcp-proxy";
