export * from "../../testing/free-port";
