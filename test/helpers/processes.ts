export * from "../../testing/processes";
